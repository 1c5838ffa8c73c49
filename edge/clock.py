"""Time on a device: everything counts from the start of the process, on a clock that never jumps.

monotonic  ----0========================> BootClock.now_us()
wall clock ----^ boot_wall_ms               one offset and its error, sent in the birth
"""

import time
from dataclasses import dataclass

STALE_US = 2_000_000  # a container clock that is this far from ours is anchored anew


@dataclass(frozen=True, slots=True)
class BootClock:
    """Where this process's time began, on both clocks."""

    zero_ns: int  # time.monotonic_ns() at boot
    boot_wall_ms: int  # Unix time at boot
    wall_error_ms: int  # how long it took to read the two clocks, rounded up

    @classmethod
    def start(cls) -> "BootClock":
        before_ns = time.monotonic_ns()
        wall_ns = time.time_ns()
        after_ns = time.monotonic_ns()
        error_ms = (after_ns - before_ns) // 1_000_000 + 1
        return cls(before_ns, wall_ns // 1_000_000, error_ms)

    def now_us(self) -> int:
        return (time.monotonic_ns() - self.zero_ns) // 1000


class StreamClock:
    """Container timestamps of a live stream, placed on the boot clock.

    Spacing comes from the container, the anchor from the moment of arrival. A stream whose
    timestamps stand still or run away is stamped on arrival. Results strictly increase.
    """

    def __init__(self) -> None:
        self._anchor_us: int | None = None
        self._last_position_us = -1
        self._last_us = -1

    def place(self, position_us: int, now_us: int) -> int:
        """Give the capture time in us of a frame at `position_us` that arrived at `now_us`."""
        ticking = position_us > self._last_position_us
        self._last_position_us = position_us
        anchor_us = now_us - position_us
        if self._anchor_us is None or not ticking or abs(self._anchor_us - anchor_us) > STALE_US:
            self._anchor_us = anchor_us
        self._last_us = max(self._anchor_us + position_us, self._last_us + 1)
        return self._last_us

    def restart(self) -> None:
        """Forget the anchor: the stream was opened again and its positions begin anew."""
        self._anchor_us = None
        self._last_position_us = -1
