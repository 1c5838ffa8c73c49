"""What cameras would have taken as video: when to sample, and what the samples say.

    window    WINDOW_S of all pictures of a camera, full size, encoded as a stream would be: one key frame
              at its beginning, as cameras send one every two seconds
    pace      a window begins once half as much again as the last one took fits into the share
    sample    bytes a second, by camera and codec: mean, deviation, how many

Windows begin by the clock and by turns, whatever is to be seen, so their mean is that of the whole time.
Pure: times are arguments, in seconds.
"""

from dataclasses import dataclass
from math import sqrt

from wire.spent import Codec, Sample

WINDOW_S = 2.0
PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
_FIRST_S_PER_MEGAPIXEL = 0.1  # of a core, before one was measured: x265 veryfast took 0.02 on a server's core
_SLACK = 1.5  # that a window may take more than the last one


@dataclass(frozen=True, slots=True)
class Quality:
    """How pictures are encoded: a preset and a constant rate factor."""

    preset: str
    crf: int


class Pace:
    """Never spends more than `share` of the time that has passed since `begun_s`."""

    def __init__(self, share: float, begun_s: float) -> None:
        self._share = share
        self._begun_s = begun_s
        self._spent_s = 0.0
        self._costs: dict[tuple[str, Codec], float] = {}  # of a core, of the last window

    def may_begin(self, camera: str, codec: Codec, megapixels: float, now_s: float) -> bool:
        """Tell whether there is time for a window of so many megapixels in all."""
        last_s = self._costs.get((camera, codec))
        cost_s = megapixels * _FIRST_S_PER_MEGAPIXEL if last_s is None else last_s * _SLACK
        return self._spent_s + cost_s <= self.allowed_s(now_s)

    def is_over(self, now_s: float, running_s: float = 0.0) -> bool:
        """Tell whether a window that has taken `running_s` so far must stop."""
        return self._spent_s + running_s > self.allowed_s(now_s)

    def allowed_s(self, now_s: float) -> float:
        """Give the seconds of a core that may have been spent by now."""
        return self._share * max(now_s - self._begun_s, 0.0)

    def spent(self, camera: str, codec: Codec, cost_s: float, *, whole: bool = True) -> None:
        """Note what a window took; one that was given up on the way would have taken more."""
        self._spent_s += cost_s
        self._costs[camera, codec] = cost_s if whole else 2 * cost_s

    @property
    def spent_s(self) -> float:
        return self._spent_s


@dataclass(slots=True)
class Rates:
    """Bytes a second of one camera and codec; the deviation as Welford adds it up."""

    windows: int = 0
    bytes: int = 0
    sampled_us: int = 0
    _mean: float = 0.0
    _squares: float = 0.0

    def add(self, size: int, duration_us: int) -> None:
        """Take one window in."""
        rate = size / (duration_us / 1e6)
        self.windows += 1
        self.bytes += size
        self.sampled_us += duration_us
        before = rate - self._mean
        self._mean += before / self.windows
        self._squares += before * (rate - self._mean)

    @property
    def deviation(self) -> float:
        """The standard deviation of windows, in bytes a second; 0 where there is one alone."""
        return sqrt(self._squares / (self.windows - 1)) if self.windows > 1 else 0.0

    def sample(self, camera: int, codec: Codec, quality: Quality) -> Sample:
        """Write it as telemetry does."""
        return Sample(
            camera,
            codec,
            self.windows,
            max(round(self.sampled_us / 1e3), 1),
            self.bytes,
            round(self.deviation),
            quality.crf,
            PRESETS.index(quality.preset),
        )
