"""What happens to a simulated fleet: how much moves, and when links fail. Pure: seeds are arguments.

           what moves              links
commute    two rushes, site by site   fail now and then, as in tunnels
storm      nearly everything          fail often, for long
outage     a usual day                hold, until nobody reaches the broker for a while

Times are seconds from the start of the run, `share` is how far of it has passed, 0 to 1.
"""

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

_WAVE = 0.1  # of the run: how wide a rush is
_LAG = 0.15  # of the run: the last site's rush comes so much later than the first one's


class Name(str, Enum):
    """Scenarios by name."""

    COMMUTE = "commute"
    STORM = "storm"
    OUTAGE = "outage"


class Break(Enum):
    """How a connection ends that is to come back."""

    CUT = "cut"  # without a goodbye: the broker publishes the will
    SLEEP = "sleep"  # with one


@dataclass(frozen=True, slots=True)
class Interruption:
    """A device has no connection from `at_s` for `for_s`."""

    kind: Break
    at_s: float
    for_s: float


@dataclass(frozen=True, slots=True)
class Scenario:
    """`moves(share, phase)` is the chance that something moves; `phase` is the site's, 0 to 1.

    `broker_away` is when the broker is down, in shares of the run.
    """

    moves: Callable[[float, float], float]
    cuts_per_h: float
    cut_s: tuple[float, float]
    sleeps_per_h: float = 0.0
    broker_away: tuple[float, float] | None = None

    def interruptions(self, seed: str, film_s: float) -> tuple[Interruption, ...]:
        """Draw when a device is without connection; it is with one by the end of the run."""
        return tuple(self._drawn(random.Random(f"{seed}/link"), film_s))  # noqa: S311 -- makes up a fleet

    def _drawn(self, chance: random.Random, film_s: float) -> Iterator[Interruption]:
        rate = (self.cuts_per_h + self.sleeps_per_h) / 3600
        at_s = chance.expovariate(rate)
        while at_s < film_s:
            is_cut = chance.random() * rate < self.cuts_per_h / 3600
            for_s = min(chance.uniform(*self.cut_s), film_s - at_s)
            yield Interruption(Break.CUT if is_cut else Break.SLEEP, at_s, for_s)
            at_s += for_s + chance.expovariate(rate)


def _rushes(share: float, phase: float) -> float:
    lag = _LAG * phase
    return 0.08 + 0.8 * max(math.exp(-(((share - peak - lag) / _WAVE) ** 2)) for peak in (0.2, 0.65))


SCENARIOS = {
    Name.COMMUTE: Scenario(_rushes, cuts_per_h=8, cut_s=(4, 25), sleeps_per_h=2),
    Name.STORM: Scenario(lambda _share, _phase: 0.85, cuts_per_h=30, cut_s=(5, 45)),
    Name.OUTAGE: Scenario(lambda _share, _phase: 0.3, cuts_per_h=2, cut_s=(4, 25), broker_away=(0.4, 0.5)),
}
