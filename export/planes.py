"""Estimates the tables of one plane of tokens; see `wire.planes` for what they are.

weights       least squares of the value, then of how far that was off
limits        so that about equally many tokens fall between them
frequencies   counts, each table begun with a share of a coarser one
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wire.neighbours import OWN, differences, roughness, surroundings
from wire.planes import TOTAL, WEIGHT_BITS

Array = NDArray[np.generic]
Integers = NDArray[np.int64]
Tokens = NDArray[np.uint8]

_CHUNK = 500  # keyframes worked on at a time, for memory's sake
_RIDGE = 200.0  # pulls weights to zero where data is thin
_BINS, _SPREADS, _PRIOR = 24, 8, 12.0


@dataclass(frozen=True, slots=True)
class Features:
    """What the tokens of a chunk of keyframes depend on: rows of values, and of how they differ.

    The last `inner` columns of `values` and `inner_rough` of `rough` are of the own plane.
    """

    values: Integers
    rough: Integers
    inner: int
    inner_rough: int


def plane_tables(tokens: Tokens, plane: int, levels: int) -> dict[str, Array]:
    """Tables for `plane` of keyframes (N, D, h, w)."""

    def features() -> Iterator[Features]:
        for chunk in _chunks(tokens):
            around = surroundings(chunk[:, :plane], levels)
            own = surroundings(chunk[:, plane : plane + 1], levels)[..., OWN]
            rough = np.stack(differences(*np.moveaxis(own, -1, 0)), axis=-1)
            yield Features(_rows(around, own), _rows(roughness(around), rough), 4, 6)

    target = _centred(tokens[:, plane], levels)
    tables, value, spread = _weigh(features, target)
    tables["bins"], row = _cut(value, _BINS)
    tables["spreads"], column = _cut(spread, _SPREADS)
    counts = np.zeros((_BINS, _SPREADS, levels))
    np.add.at(counts, (row, column, tokens[:, plane].ravel()), 1)
    whole = counts.sum(axis=(0, 1)) + 1
    by_row = _shares(counts.sum(axis=1) + _PRIOR * _shares(whole))
    tables["frequencies"] = _quantise(_shares(counts + _PRIOR * by_row[:, None]))
    return tables


def _weigh(
    features: Callable[[], Iterator[Features]], target: Integers
) -> tuple[dict[str, Array], Integers, Integers]:
    """Fit weights of the value, and of the spread around it; give sums under them too."""
    values = _least_squares((chunk.values for chunk in features()), target.astype(np.float64))
    value = np.concatenate([_sums(chunk.values, values) for chunk in features()])
    missed = np.abs(target - value / 2**WEIGHT_BITS)
    rough = _least_squares((chunk.rough for chunk in features()), missed.astype(np.float64))
    spread = np.concatenate([_sums(chunk.rough, rough) for chunk in features()])
    first = next(features())
    tables: dict[str, Array] = {
        "outer": values[: -first.inner].astype(np.int32),
        "inner": values[-first.inner :].astype(np.int32),
        "outer_rough": rough[: -first.inner_rough].astype(np.int32),
        "inner_rough": rough[-first.inner_rough :].astype(np.int32),
    }
    return tables, value, spread


def _sums(rows: Integers, weights: Integers) -> Integers:
    """Give `rows @ weights`, by way of floats, which is many times faster and exact below 2**53."""
    return np.rint(rows.astype(np.float64) @ weights.astype(np.float64)).astype(np.int64)


def _least_squares(chunks: Iterable[Integers], target: NDArray[np.float64]) -> Integers:
    """Solve for weights in 1/2**WEIGHT_BITS. A constant is fitted and left out: limits make up for it."""
    gram, moment, at = np.zeros((1, 1)), np.zeros(1), 0
    for chunk in chunks:
        rows = np.concatenate([chunk, np.ones((len(chunk), 1))], axis=1)
        gram = gram + rows.T @ rows
        moment = moment + rows.T @ target[at : at + len(chunk)]
        at += len(chunk)
    solution = np.linalg.solve(gram + _RIDGE * np.eye(len(gram)), moment)
    return np.round(solution[:-1] * 2**WEIGHT_BITS).astype(np.int64)


def _cut(values: Integers, parts: int) -> tuple[NDArray[np.int32], Integers]:
    """Find limits that cut `values` into about equal parts, and tell each value's part."""
    limits = np.quantile(values, np.arange(1, parts) / parts, method="nearest").astype(np.int32)
    return limits, np.searchsorted(limits, values, "right")


def _chunks(tokens: Tokens) -> Iterator[Tokens]:
    return (tokens[start : start + _CHUNK] for start in range(0, len(tokens), _CHUNK))


def _rows(*parts: Integers) -> Integers:
    joined = np.concatenate(parts, axis=-1)
    return joined.reshape(-1, joined.shape[-1])


def _centred(tokens: Tokens, levels: int) -> Integers:
    return (2 * tokens.astype(np.int64) - (levels - 1)).ravel()


def _shares(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(counts / counts.sum(axis=-1, keepdims=True))


def _quantise(shares: NDArray[np.float64]) -> NDArray[np.uint16]:
    """Round shares (..., levels) to frequencies of at least 1 that add up to TOTAL."""
    levels = shares.shape[-1]
    frequencies = 1 + np.floor(shares * (TOTAL - levels)).astype(np.int64)
    largest = frequencies.argmax(axis=-1)[..., None]
    rest = TOTAL - frequencies.sum(axis=-1, keepdims=True)
    np.put_along_axis(frequencies, largest, np.take_along_axis(frequencies, largest, -1) + rest, -1)
    return frequencies.astype(np.uint16)
