"""Means with 95 % bootstrap intervals (Efron, 1979), seeded; whole clips are drawn, never parts of one."""

from collections.abc import Hashable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000


class Estimate(msgspec.Struct, frozen=True):
    """A mean, the interval that holds it in 95 of 100 drawings, and of how many numbers it is."""

    mean: float
    low: float
    high: float
    count: int


def estimate(
    values: Sequence[float], groups: Sequence[Hashable] | None = None, seed: int = 0
) -> Estimate | None:
    """Estimate a mean; None without values. Numbers of one group are drawn together."""
    if not values:
        return None
    numbers = np.asarray(values, np.float64)
    sums, counts = _by_group(numbers, groups)
    chosen = np.random.default_rng(seed).integers(len(sums), size=(RESAMPLES, len(sums)))
    means = sums[chosen].sum(1) / counts[chosen].sum(1)
    low, high = np.quantile(means, (0.025, 0.975))
    return Estimate(float(numbers.mean()), float(low), float(high), len(numbers))


def paired(ours: Sequence[float], theirs: Sequence[float], seed: int = 0) -> Estimate | None:
    """Estimate how much larger ours are, pair by pair."""
    return estimate([a - b for a, b in zip(ours, theirs, strict=True)], seed=seed)


def _by_group(
    numbers: NDArray[np.float64], groups: Sequence[Hashable] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if groups is None:
        return numbers, np.ones(len(numbers))
    names = {group: place for place, group in enumerate(dict.fromkeys(groups))}
    places = [names[group] for group in groups]
    return np.bincount(places, numbers).astype(np.float64), np.bincount(places).astype(np.float64)
