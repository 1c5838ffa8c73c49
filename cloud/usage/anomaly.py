"""Whether a device sends more in an hour than its own history explains. Pure.

    usual      the median of hours that are alike: of the same hour of the week, give or take one
    scatter    how far hours are from their usual, as a factor: the median of that (MAD) over all hours
    finding    more than the usual by WIDTH scatters, by LEAST bytes, and by FACTOR times what all but
               RARE of its hours were above theirs

Medians, because one bad week must not teach that bad weeks are usual. Factors, because traffic scatters by
factors, and by night there is less to scatter. Rare hours, because a camera that sees something once a day
is not unusual when it does; but a few hours that stood out hide no others. With less than two weeks of
history there is no finding.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cloud.usage.periods import HOUR_MS

WEEK_H = 168
LEAST_H = 2 * WEEK_H
MOST_H = 8 * WEEK_H
WIDTH = 6.0
FACTOR = 1.5
RARE = 0.003  # four hours in eight weeks
LEAST = 16_384  # bytes
_GROUND = 1024.0  # bytes: below, hours are alike
_LEAST_SCATTER = 0.05
_SIGMA = 1.4826  # standard deviations of a normal distribution in its MAD


@dataclass(frozen=True, slots=True)
class Finding:
    """An hour that stands out: what was expected, and the most that would not have."""

    bytes: int
    expected: int
    most: int


def find(history: Sequence[tuple[int, int]], hour_ms: int, size: int) -> Finding | None:
    """Compare an hour with those before it, as (start in ms, bytes) in any order; None if it is not unusual.

    Hours that are not given sent nothing, from the first that is given on.
    """
    earlier = [(at_ms, sent) for at_ms, sent in history if hour_ms - MOST_H * HOUR_MS <= at_ms < hour_ms]
    if not earlier:
        return None
    begin = min(at_ms for at_ms, _ in earlier) // HOUR_MS
    count = hour_ms // HOUR_MS - begin
    if count < LEAST_H:
        return None
    sizes = np.zeros(count)
    for at_ms, sent in earlier:
        sizes[at_ms // HOUR_MS - begin] = sent
    usual = _usual(sizes)
    slot = count % WEEK_H
    expected = float(usual[slot])
    most = _most(sizes, usual, expected)
    return Finding(size, round(expected), round(most)) if size > most else None


def _most(sizes: NDArray[np.float64], usual: NDArray[np.float64], expected: float) -> float:
    """Give what hours of this usual amount reach at most, for all that scatters."""
    expectations = usual[np.arange(len(sizes)) % WEEK_H]
    away = np.log((sizes + _GROUND) / (expectations + _GROUND))
    scatter = max(_SIGMA * float(np.median(np.abs(away))), _LEAST_SCATTER)
    seen = max(float(np.quantile(away, 1 - RARE)), 0.0) + float(np.log(FACTOR))
    reach = (expected + _GROUND) * float(np.exp(min(max(WIDTH * scatter, seen), 50.0))) - _GROUND
    return max(reach, expected + LEAST)


def _usual(sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the median of each hour of the week, counted from the first hour."""
    return np.array([np.median(_alike(sizes, slot)) for slot in range(WEEK_H)])


def _alike(sizes: NDArray[np.float64], slot: int) -> NDArray[np.float64]:
    """Give the hours that are like one of the week."""
    around = [sizes[(slot + step) % WEEK_H :: WEEK_H] for step in (-1, 0, 1)]
    return np.concatenate(around)
