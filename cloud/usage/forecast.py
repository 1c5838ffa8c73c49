"""How much will have been sent by the end of a billing month: from days like those to come. Pure.

    expected   what was sent so far, and of each day to come its usual amount: the median of the days of that
               weekday, once there are two of each; of all days before that; none with less than three
    low, high  the same with a day drawn from those instead of the median, RESAMPLES times: the 5th and 95th
               hundredth of the sums

A median, because one day of repairs or snow is not what the next weeks will be like. Drawing assumes that
days do not hang together; where they do, the true interval is wider. The same history gives the same numbers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

LEAST_DAYS = 3
LEAST_OF_WEEKDAY = 2
MOST_DAYS = 56  # before them, it was another time
RESAMPLES = 400
_LOW, _HIGH = 5, 95  # hundredths


@dataclass(frozen=True, slots=True)
class Day:
    """A whole day: its weekday, from 0 for Monday, and what was sent."""

    weekday: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Ahead:
    """A day to come, or the `part` of today that is."""

    weekday: int
    part: float = 1.0


@dataclass(frozen=True, slots=True)
class Forecast:
    """Bytes at the end of the month: nine times in ten between `low` and `high`. `days` were learned from."""

    expected: int
    low: int
    high: int
    days: int
    method: Literal["weekdays", "days"]


def forecast(history: Sequence[Day], so_far: int, ahead: Sequence[Ahead], seed: int = 0) -> Forecast | None:
    """Forecast from whole days, the oldest first; None with too few of them."""
    days = history[-MOST_DAYS:]
    if len(days) < LEAST_DAYS:
        return None
    pools, by_weekday = _pools(days)
    expected, sums = 0.0, np.zeros(RESAMPLES)
    random = np.random.default_rng(seed)
    for each in ahead:
        pool = pools[each.weekday]
        expected += each.part * float(np.median(pool))
        sums += each.part * random.choice(pool, RESAMPLES)
    low, high = (float(np.percentile(sums, hundredth)) for hundredth in (_LOW, _HIGH))
    return Forecast(
        so_far + round(expected),
        so_far + round(min(low, expected)),
        so_far + round(max(high, expected)),
        len(days),
        "weekdays" if by_weekday else "days",
    )


def _pools(days: Sequence[Day]) -> tuple[Mapping[int, NDArray[np.float64]], bool]:
    """Give the days that each weekday is like, and tell whether those are of that weekday."""
    of = {weekday: [day.bytes for day in days if day.weekday == weekday] for weekday in range(7)}
    if all(len(sizes) >= LEAST_OF_WEEKDAY for sizes in of.values()):
        return {weekday: np.array(sizes, np.float64) for weekday, sizes in of.items()}, True
    whole = np.array([day.bytes for day in days], np.float64)
    return dict.fromkeys(range(7), whole), False
