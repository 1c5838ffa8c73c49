"""The time of day, as one function that tests replace."""

import time
from collections.abc import Callable

Clock = Callable[[], int]


def wall_ms() -> int:
    """Tell the time: milliseconds of the Unix epoch."""
    return time.time_ns() // 1_000_000


def steady_ms() -> int:
    """Tell how much time passes, whatever is done to the time of day: milliseconds since some start."""
    return time.monotonic_ns() // 1_000_000
