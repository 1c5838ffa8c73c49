"""Time on a device: everything counts from the start of the process, on a clock that never jumps.

monotonic  ----0========================> BootClock.now_us()
wall clock ----^ boot_wall_ms               one offset and its error, sent in the birth
"""

import time
from dataclasses import dataclass, replace

STEP_MS = 2000  # what the cloud is told about: more than a viewer of two cameras would put up with
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

    def restated(self, monotonic_ns: int, wall_ns: int) -> "BootClock":
        """Give this clock with another wall time at boot, if the wall clock was set by more than STEP_MS.

        A device without a battery for its clock learns the time after it has begun to capture. Slow
        corrections do not come here: they move the monotonic clock too.
        """
        boot_wall_ms = max((wall_ns - monotonic_ns + self.zero_ns) // 1_000_000, 0)
        if abs(boot_wall_ms - self.boot_wall_ms) <= STEP_MS:
            return self
        return replace(self, boot_wall_ms=boot_wall_ms)


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


class CloudClock:
    """The cloud's wall clock, as its acks tell it. Pure: monotonic times are arguments.

    An ack takes some time to come, so it may only say too little: the latest of all estimates is the best.
    Whoever holds acks back can make it slow, by no more than the connection lasts, and never fast.
    """

    def __init__(self) -> None:
        self._offset_ms: float | None = None

    def forget(self) -> None:
        """Begin a connection: the acks of another one say nothing of how late this one is."""
        self._offset_ms = None

    def hear(self, cloud_ms: int, now_s: float) -> None:
        """Note what an ack said when it came."""
        offset_ms = cloud_ms - now_s * 1e3
        self._offset_ms = offset_ms if self._offset_ms is None else max(self._offset_ms, offset_ms)

    def now_ms(self, now_s: float) -> int | None:
        """Estimate the cloud's time; None before the first ack."""
        return None if self._offset_ms is None else round(self._offset_ms + now_s * 1e3)
