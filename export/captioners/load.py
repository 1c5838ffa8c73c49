"""Loads a captioner by the class that its config.json names."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError

import models.tiny.captioner  # noqa: F401 (makes `mirage-grid` known to transformers)
from export.captioners.blip import BlipCaptioner
from export.captioners.captioner import Captioner, UnsupportedModelError
from export.captioners.folder import (
    CONFIG,
    WEIGHTS,
    ModelFilesError,
    model_folder,
    parse_json,
    read_text,
    require,
    short,
)
from export.captioners.git import GitCaptioner
from export.captioners.prepare import prepared
from export.captioners.vision_encoder_decoder import DECODERS, ENCODERS, EncoderDecoderCaptioner

__all__ = ["ModelFilesError", "UnsupportedModelError", "load_captioner"]


@dataclass(frozen=True, slots=True)
class _Kind:
    """A class of `transformers`, what makes a captioner of it, and what of it is supported."""

    network: type[Any]
    captioner: type[EncoderDecoderCaptioner | GitCaptioner | BlipCaptioner]
    note: str = ""


_KINDS = {
    "VisionEncoderDecoderModel": _Kind(
        transformers.VisionEncoderDecoderModel,
        EncoderDecoderCaptioner,
        f" ({', '.join(ENCODERS)} with {', '.join(DECODERS)})",
    ),
    "GitForCausalLM": _Kind(transformers.GitForCausalLM, GitCaptioner, " (of one picture)"),
    "BlipForConditionalGeneration": _Kind(transformers.BlipForConditionalGeneration, BlipCaptioner),
}
_SUPPORTED = "supported are " + ", ".join(name + kind.note for name, kind in _KINDS.items())


def load_captioner(place: str, revision: str | None, subfolder: str = "", device: str = "cpu") -> Captioner:
    """Load the captioner in folder `place` (`revision` None), or a hub's at a commit, in float32.

    Raises UnsupportedModelError for a class, or a variant of it, that cannot be exported, and ModelFilesError
    where files are missing or damaged.
    """
    folder = model_folder(place, revision, subfolder)
    name = folder if revision is None else f"{place} at {revision}"
    architecture = _architecture(folder)
    kind = _KINDS.get(architecture)
    if kind is None:
        raise UnsupportedModelError(f"{name}: class {architecture} cannot be exported; {_SUPPORTED}")
    ready = prepared(folder)
    weights = require(folder, WEIGHTS)
    try:
        with _read(folder / CONFIG):
            config = kind.network.config_class.from_pretrained(folder)
        kind.captioner.check(config)
        return kind.captioner.of(_network(kind.network, weights).to(device), ready)
    except UnsupportedModelError as error:
        raise UnsupportedModelError(f"{name}: {architecture}: {error}; {_SUPPORTED}") from error


def _architecture(folder: Path) -> str:
    path = require(folder, (CONFIG,))
    names = parse_json(path, read_text(path)).get("architectures")
    if not isinstance(names, list) or len(names) != 1:
        raise ModelFilesError(f"{path}: architectures is {names}, expected the name of one class")
    return str(names[0])


def _network(network: type[Any], weights: Path) -> Any:  # noqa: ANN401 (transformers has no types)
    with _read(weights):
        model, found = network.from_pretrained(
            weights.parent, dtype=torch.float32, local_files_only=True, output_loading_info=True
        )
    # Without these weights a captioner would speak at random; poolers take no part in captions.
    missing = sorted(name for name in found["missing_keys"] if ".pooler." not in name)
    if missing:
        raise ModelFilesError(f"{weights}: lacks {len(missing)} tensors, among them {missing[0]}")
    return model.eval()


@contextmanager
def _read(path: Path) -> Iterator[None]:
    """Turn what `transformers` raises into ModelFilesError; its warnings name tensors by the hundred."""
    before = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    try:
        yield
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise ModelFilesError(f"{path}: {short(error)}") from error
    finally:
        transformers.logging.set_verbosity(before)
