"""How long segments took to describe."""

from bisect import bisect_left
from dataclasses import dataclass
from threading import Lock

BOUNDS_S = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # upper, of a histogram's buckets


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts by bucket since the process began, one more than there are BOUNDS_S; and the sum of all."""

    counts: tuple[int, ...]
    sum_s: float


class EncodeTimes:
    """May be called by any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts = [0] * (len(BOUNDS_S) + 1)
        self._sum_s = 0.0
        self._recent = (0, 0.0, 0.0)  # count, sum, longest since `take`

    def add(self, seconds: float) -> None:
        """Note one segment."""
        with self._lock:
            self._counts[bisect_left(BOUNDS_S, seconds)] += 1
            self._sum_s += seconds
            count, total_s, most_s = self._recent
            self._recent = (count + 1, total_s + seconds, max(most_s, seconds))

    def take(self) -> tuple[int, int]:
        """Give mean and longest since the last call, in ms, at least 1; zeros where there was none."""
        with self._lock:
            (count, total_s, most_s), self._recent = self._recent, (0, 0.0, 0.0)
        if not count:
            return 0, 0
        return max(round(total_s / count * 1e3), 1), max(round(most_s * 1e3), 1)

    def histogram(self) -> Histogram:
        with self._lock:
            return Histogram(tuple(self._counts), self._sum_s)
