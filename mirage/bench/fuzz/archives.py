"""Valid files of arrays to begin with: golden data, and small coding tables of each kind."""

import io

import numpy as np

from wire.arrays import Arrays
from wire.ngram import CLASS_CONTEXT, EMIT_BITS, WORD_CONTEXT
from wire.planes import TOTAL
from wire.text import SPELLING_CONTEXT
from wire.vector import LIMIT, SYMBOLS

_PLANES, _LEVELS = 2, 8


def golden_archives() -> tuple[bytes, ...]:
    """Give golden files: of a graph that is shown pictures, of one with picked outputs, of grids."""
    pictures = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)
    mean, std = np.full(3, 0.5, np.float32), np.full(3, 0.25, np.float32)
    shown: Arrays = {"in": pictures, "mean": mean, "std": std, "enlarge": np.array(2)}
    shown = {f"e.onnx|{what}|x": array for what, array in shown.items()}
    picked: Arrays = {"d|in|x": np.zeros((2, 3)), "d|out|y": np.ones((2, 2)), "d|pick|y": np.array([0, 5])}
    tokens = np.array([[1, -1], [2, 3]])
    grids: Arrays = {"captions|grids": pictures, "captions|enlarge": np.array(2), "captions|tokens": tokens}
    flags: Arrays = {"d|in|b": np.array([True]), "d|out|b": np.array([1])}
    whole: Arrays = {**shown, "e.onnx|out|y": np.ones((2, 7), np.float32), **picked, **grids}
    return tuple(map(_archive, (whole, picked, {**grids, **flags})))


def table_archives() -> tuple[bytes, ...]:
    """Give tables of captions, tokens and embeddings: every symbol is as likely as any other."""
    return tuple(map(_archive, (_text_tables(), _token_tables(), vector_tables(8))))


def vector_tables(size: int) -> Arrays:
    """Make tables of an embedding (size,) whose values are all alike."""
    frequencies = np.full(SYMBOLS, TOTAL // SYMBOLS, np.int64)
    frequencies[LIMIT] += TOTAL - frequencies.sum()
    return {
        "mean": np.zeros(size, np.float32),
        "step": np.ones(size, np.float32),
        "frequencies": frequencies.astype(np.int32),
    }


def _text_tables() -> Arrays:
    tables: Arrays = {
        "words": np.frombuffer(b"a\ndog\nruns", np.uint8),
        "classes": np.array([0, 1, 2, 2, 3], np.uint16),
        "emits": np.array([2, 2, 1, 1, 2], np.uint32) << EMIT_BITS - 1,
    }
    for prefix, lengths in (
        ("class", range(CLASS_CONTEXT + 1)),
        ("word", range(1, WORD_CONTEXT + 1)),
        ("spelling", range(SPELLING_CONTEXT + 1)),
    ):
        for length in lengths:
            name = f"{prefix}{length}"
            tables[f"{name}_contexts"] = np.arange(2 * length, dtype=np.uint16).reshape(2, length)
            tables[f"{name}_keeps"] = np.array([40_000, 50_000], np.uint16)
            tables[f"{name}_offsets"] = np.array([0, 2, 3], np.uint32)
            tables[f"{name}_symbols"] = np.array([1, 2, 0], np.uint16)
            tables[f"{name}_adds"] = np.array([9000, 9000, 9000], np.uint16)
    return tables


def _token_tables() -> Arrays:
    tables: Arrays = {"shape": np.array([_LEVELS, _PLANES, 3, 4, 1]), "weights": np.ones(1)}
    for plane in range(_PLANES):
        sizes = {"outer": 9 * plane, "inner": 4, "outer_rough": 9 * plane, "inner_rough": 6}
        for name, size in sizes.items():
            tables[f"alone{plane}_{name}"] = np.arange(size, dtype=np.int32)
        tables[f"alone{plane}_bins"] = np.array([-20, 20], np.int32)
        tables[f"alone{plane}_spreads"] = np.array([30], np.int32)
        tables[f"alone{plane}_frequencies"] = np.full((3, 2, _LEVELS), TOTAL // _LEVELS, np.uint16)
    return tables


def _archive(arrays: Arrays) -> bytes:
    """Pack arrays as table files are."""
    out = io.BytesIO()
    np.savez_compressed(out, allow_pickle=False, **arrays)
    return out.getvalue()
