"""Whether the time of day can be believed when something is to go for its age. Pure.

wall    10:00 --- 10:10 --- 10:20 --- (set forth a year) --- ...
steady      0       600      1200      1800                       it went by half an hour only: wait
"""

from dataclasses import dataclass

STEP_MS = 300_000  # more than a clock that is corrected slowly gains in a round
DISTRUST_MS = 3_600_000  # how long nothing goes for its age then: time to set the clock right


@dataclass(slots=True)
class Watch:
    """Compares two clocks. A clock that was wrong from the start on is not found."""

    wall_ms: int
    steady_ms: int
    distrusted_ms: int | None = None  # since when, by the steady clock

    def trusts(self, wall_ms: int, steady_ms: int) -> bool:
        """Take a look at both clocks; False for a while after the wall clock was set forth."""
        gained_ms = (wall_ms - self.wall_ms) - (steady_ms - self.steady_ms)
        self.wall_ms, self.steady_ms = wall_ms, steady_ms
        if gained_ms > STEP_MS:
            self.distrusted_ms = steady_ms
        if self.distrusted_ms is not None and steady_ms - self.distrusted_ms >= DISTRUST_MS:
            self.distrusted_ms = None
        return self.distrusted_ms is None
