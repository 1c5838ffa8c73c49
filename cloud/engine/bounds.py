"""How many renderers there should be. Pure.

jobs that wait --> wanted --> grow at once, up to `most`; shrink by what is idle, once it was for a while
"""

from dataclasses import dataclass

JOBS_EACH = 4  # that may wait for each renderer before another one is worth loading a model for
SHRINK_S = 60.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """Never fewer than `least`, never more than `most`."""

    least: int
    most: int

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.most:
            raise ValueError(f"renderers: at least {self.least} and at most {self.most}")


def wanted(bounds: Bounds, busy: int, waiting: int) -> int:
    """Say how many renderers are worth having while `busy` of them render and `waiting` jobs have none."""
    more = -(-waiting // JOBS_EACH)
    return min(max(busy + more, bounds.least), bounds.most)


@dataclass(frozen=True, slots=True)
class Size:
    """How many there are to be, and since when fewer would do."""

    count: int
    fewer_since_s: float | None = None

    def after(self, target: int, now_s: float) -> "Size":
        """Take in what is wanted at `now_s`, seconds of a clock that never jumps."""
        if target >= self.count:
            return Size(target)
        if self.fewer_since_s is None:
            return Size(self.count, now_s)
        if now_s - self.fewer_since_s < SHRINK_S:
            return self
        return Size(target)
