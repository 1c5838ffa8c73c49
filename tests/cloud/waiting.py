"""Waiting for something that another thread or process does."""

import time
from collections.abc import Callable


def until(claim: Callable[[], bool], timeout_s: float = 60.0, *, every_s: float = 0.02) -> None:
    """Return as soon as `claim` holds, which is asked `every_s`; fails when it does not in time."""
    end_s = time.monotonic() + timeout_s
    while not claim():
        assert time.monotonic() < end_s, f"not within {timeout_s} s"
        time.sleep(every_s)
