"""Greedy decoding of a text decoder that optimum exported, with its key/value cache.

    step 0     input_ids [start]   empty cache      -> logits, present.*
    step n     input_ids [last]    present.* of n-1 -> logits, present.*

Names, heads and sizes come from the graph. A decoder may cache cross-attention (`.encoder.`), which
is filled once, and may be "merged": then `use_cache_branch` tells the first step from the others.
"""

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from edge.runtime import ModelError

_PAST, _PRESENT = "past_key_values.", "present."
Cache = dict[str, NDArray[np.float32]]


class GreedyDecoder:
    """Turns encoder states into token ids."""

    def __init__(self, session: ort.InferenceSession, start: int, end: int, max_tokens: int) -> None:
        self._session = session
        self._start = start
        self._end = end
        self._max_tokens = max_tokens
        self._inputs = {item.name: item for item in session.get_inputs()}
        self._outputs = [item.name for item in session.get_outputs()]
        self._past = [name for name in self._inputs if name.startswith(_PAST)]
        missing = {"input_ids", "encoder_hidden_states"} - self._inputs.keys()
        if missing or "logits" not in self._outputs:
            raise ModelError(
                f"decoder has no {', '.join(sorted(missing)) or 'logits'}: not a caption decoder"
            )

    def decode(self, hidden: NDArray[np.float32]) -> list[int]:
        """Token ids that follow the start token, up to the end token, for hidden (1, S, H)."""
        ids = [self._start]
        cache = self._empty_cache()
        while len(ids) <= self._max_tokens:
            logits, cache = self._step(ids, hidden, cache)
            token = int(logits[0, -1].argmax())
            if token == self._end:
                break
            ids.append(token)
        return ids[1:]

    def _step(
        self, ids: list[int], hidden: NDArray[np.float32], cache: Cache
    ) -> tuple[NDArray[np.float32], Cache]:
        first = len(ids) == 1
        fresh = ids[-1:] if self._past else ids
        feeds: dict[str, NDArray[np.generic]] = {
            "input_ids": np.array([fresh], np.int64),
            "encoder_hidden_states": hidden,
            **cache,
        }
        if "use_cache_branch" in self._inputs:
            feeds["use_cache_branch"] = np.array([not first])
        if "attention_mask" in self._inputs:
            feeds["attention_mask"] = np.ones((1, len(ids)), np.int64)
        if "encoder_attention_mask" in self._inputs:
            feeds["encoder_attention_mask"] = np.ones((1, hidden.shape[1]), np.int64)
        results = dict(zip(self._outputs, self._session.run(None, feeds), strict=True))
        return results["logits"], {name: self._next(name, results, cache, first=first) for name in self._past}

    def _next(
        self, name: str, results: dict[str, NDArray[np.float32]], cache: Cache, *, first: bool
    ) -> NDArray[np.float32]:
        if ".encoder." in name and not first:
            return cache[name]  # a merged graph returns nothing useful here after the first step
        return results[name.replace(_PAST, _PRESENT)]

    def _empty_cache(self) -> Cache:
        # A merged graph does not read the cache at the first step, but must be given one that is not empty.
        length = 1 if "use_cache_branch" in self._inputs else 0
        cache: Cache = {}
        for name in self._past:
            shape = self._inputs[name].shape
            if len(shape) != 4 or not isinstance(shape[1], int) or not isinstance(shape[3], int):
                raise ModelError(f"decoder's {name} has shape {shape}, expected (batch, heads, length, size)")
            cache[name] = np.zeros((1, shape[1], length, shape[3]), np.float32)
        return cache
