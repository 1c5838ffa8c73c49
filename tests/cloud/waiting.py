"""Waiting for something that another thread or process does."""

import time
from collections.abc import Callable


def until(claim: Callable[[], bool], timeout_s: float = 20.0) -> None:
    """Return as soon as `claim` holds; fails when it does not in time."""
    end_s = time.monotonic() + timeout_s
    while not claim():
        assert time.monotonic() < end_s, f"not within {timeout_s} s"
        time.sleep(0.02)
