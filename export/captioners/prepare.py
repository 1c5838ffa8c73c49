"""Reads how a captioner's pictures are normalised and how its tokens are spelled."""

from pathlib import Path

from transformers import AutoImageProcessor, AutoTokenizer

from export.captioners.captioner import Prepared, Rgb
from export.captioners.folder import (
    PREPROCESSOR,
    TOKENIZERS,
    ModelFilesError,
    parse_json,
    read_text,
    require,
    short,
)

JOINERS = (None, "WordPiece", "ByteLevel", "Metaspace")  # what edge/vocabulary.py reads


def prepared(folder: Path) -> Prepared:
    """Read preprocessor_config.json and the tokenizer of a model's folder, or raise ModelFilesError."""
    mean, std = _colours(folder)
    return Prepared(mean, std, _tokenizer(folder))


def _colours(folder: Path) -> tuple[Rgb, Rgb]:
    path = require(folder, (PREPROCESSOR,))
    parse_json(path, read_text(path))
    try:
        processor = AutoImageProcessor.from_pretrained(folder, use_fast=False, local_files_only=True)
    except (OSError, ValueError, TypeError) as error:
        raise ModelFilesError(f"{path}: {short(error)}") from error
    if not getattr(processor, "do_normalize", False):
        mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    else:
        mean, std = _rgb(path, "image_mean", processor), _rgb(path, "image_std", processor)
    # Of 0..255 times the factor; the device's pictures are 0..1.
    factor = 255 * (processor.rescale_factor if processor.do_rescale else 1.0)
    return _divided(mean, factor), _divided(std, factor)


def _rgb(path: Path, field: str, processor: object) -> Rgb:
    values = getattr(processor, field, None)
    if isinstance(values, int | float):
        values = (values,) * 3
    if not isinstance(values, list | tuple) or len(values) != 3:
        raise ModelFilesError(f"{path}: {field} is {values}, expected three numbers")
    return (float(values[0]), float(values[1]), float(values[2]))


def _divided(values: Rgb, factor: float) -> Rgb:
    return (round(values[0] / factor, 9), round(values[1] / factor, 9), round(values[2] / factor, 9))


def _tokenizer(folder: Path) -> str:
    path = require(folder, TOKENIZERS)
    text = read_text(path) if path.name == "tokenizer.json" else _converted(folder, path)
    document = parse_json(path, text)
    if not isinstance(model := document.get("model"), dict) or not model.get("vocab"):
        raise ModelFilesError(f"{path}: model.vocab is missing")
    decoder = document.get("decoder")
    kind = decoder.get("type") if isinstance(decoder, dict) else decoder
    if kind not in JOINERS:
        known = ", ".join(name for name in JOINERS if name)
        raise ModelFilesError(f"{path}: decoder {kind!r} is none that a device reads: {known}")
    return text


def _converted(folder: Path, path: Path) -> str:
    """Give the tokenizer.json of a tokenizer that is kept as a list of words."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=True, local_files_only=True)
    except (OSError, ValueError, TypeError, KeyError, ImportError) as error:
        raise ModelFilesError(f"{path}: {short(error)}") from error
    if not tokenizer.is_fast:
        raise ModelFilesError(f"{path}: {type(tokenizer).__name__} cannot be turned into a tokenizer.json")
    text: str = tokenizer.backend_tokenizer.to_str()
    return text
