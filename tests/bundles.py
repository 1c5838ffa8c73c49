"""A bundle with real coding tables and no networks, small enough to make in every test session."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.tables import text_tables, token_tables

CAPTIONS = (
    "a red car drives to the left",
    "a man walks slowly to the right",
    "a white boat moves away on the water",
    "nothing moves on an empty street",
    "two people talk at a table, the camera pans to the right",
)
LEVELS, COARSE = 8, 2
Shape = tuple[int, int, int]
SHAPE: Shape = (4, 4, 4)
_GRAPHS = (
    "captioner/encoder.onnx",
    "captioner/decoder.onnx",
    "captioner/tokenizer.json",
    "appearance/encoder.onnx",
)

_MANIFEST = """\
schema = 1
name = "{name}"
licence = "Apache-2.0"
[captioner]
encoder = "captioner/encoder.onnx"
decoder = "captioner/decoder.onnx"
tokenizer = "captioner/tokenizer.json"
max_tokens = 24
start_token = 1
end_token = 2
tile_px = 160
mean = [0.5, 0.5, 0.5]
std = [0.5, 0.5, 0.5]
layout = ["frame", "frame", "frame", "flow"]
[appearance]
encoder = "appearance/encoder.onnx"
tables = "appearance/tables.npz"
input_px = 128
grid = [4, 4]
levels = 8
planes = 4
coarse_planes = 2
default_planes = 4
[text]
tables = "text/tables.npz"
[renderer]
backend = "preview"
[files]
"""


def tokens(seed: int, shape: Shape = SHAPE) -> NDArray[np.uint8]:
    """Tokens of this shape, as smooth as those of a picture."""
    rng = np.random.default_rng(seed)
    base = rng.integers(0, LEVELS, (shape[0], 1, 1))
    smooth = base + rng.integers(-1, 2, shape)
    return np.asarray(np.clip(smooth, 0, LEVELS - 1), np.uint8)


def write_bundle(folder: Path, name: str = "sample") -> Path:
    """Write a bundle into `folder`; its graphs are placeholders."""
    tables = {
        "text/tables.npz": text_tables(CAPTIONS * 4),
        "appearance/tables.npz": token_tables(
            np.stack([tokens(seed) for seed in range(50)]),
            LEVELS,
            COARSE,
        ),
    }
    for path, arrays in tables.items():
        _save(folder / path, arrays)
    for path in _GRAPHS:
        _made(folder / path).write_bytes(path.encode())
    hashes = [
        f'"{path}" = "{hashlib.sha256((folder / path).read_bytes()).hexdigest()}"'
        for path in (*tables, *_GRAPHS)
    ]
    (folder / "bundle.toml").write_text(_MANIFEST.format(name=name) + "\n".join(hashes) + "\n")
    return folder


def _save(path: Path, tables: Mapping[str, NDArray[np.generic]]) -> None:
    arrays: dict[str, Any] = dict(tables)
    np.savez(_made(path), **arrays)


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
