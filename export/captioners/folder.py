"""Finds the files of a pre-trained model: in a folder, or on a hub at a pinned commit."""

import json
from pathlib import Path
from textwrap import shorten

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError

CONFIG = "config.json"
PREPROCESSOR = "preprocessor_config.json"
WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
TOKENIZERS = ("tokenizer.json", "vocab.txt", "vocab.json", "tokenizer.model", "spiece.model")
_PATTERNS = (
    ("*.json", "*.txt", "tokenizer.model", "spiece.model"),
    ("model*.safetensors",),
    ("pytorch_model*.bin",),  # only where there is no other: the same weights
)


class ModelFilesError(ValueError):
    """A pre-trained model cannot be read; the message names the folder or hub id, and the file."""


def model_folder(place: str, revision: str | None, subfolder: str = "") -> Path:
    """Give the folder that holds a model: `place` itself, or what the hub has of it at `revision`.

    Raises ModelFilesError where there is no such folder or the hub does not answer. Of a hub's model only
    what `transformers` needs is fetched, and nothing of what the hub holds is run.
    """
    if revision is None:
        folder = Path(place) / subfolder
        if not folder.is_dir():
            raise ModelFilesError(f"{folder}: no such folder (a model of a hub needs its revision)")
        return folder
    prefix = f"{subfolder}/" if subfolder else ""
    try:
        for patterns in _PATTERNS:
            allowed = [prefix + pattern for pattern in patterns]
            root = Path(snapshot_download(place, revision=revision, allow_patterns=allowed))
            if any((root / subfolder / name).is_file() for name in WEIGHTS[:2]):
                break
    except (OSError, HfHubHTTPError, HFValidationError, ValueError) as error:
        raise ModelFilesError(f"{place} at {revision}: {short(error)}") from error
    return root / subfolder


def short(error: BaseException) -> str:
    """Say in part of a line what a library says in many."""
    return shorten(str(error), 300, placeholder=" ...")


def require(folder: Path, names: tuple[str, ...]) -> Path:
    """Give the first of `names` that `folder` has, or raise ModelFilesError."""
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise ModelFilesError(f"{folder}: has no {' or '.join(names)}")


def read_text(path: Path) -> str:
    """Read a text file, or raise ModelFilesError."""
    try:
        return path.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise ModelFilesError(f"{path}: {error}") from error


def parse_json(path: Path, text: str) -> dict[str, object]:
    """Read the JSON object that is the content of `path`, or raise ModelFilesError."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ModelFilesError(f"{path}: {error}") from error
    if not isinstance(document, dict):
        raise ModelFilesError(f"{path}: is no JSON object")
    return document
