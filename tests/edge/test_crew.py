"""Threads: named, waited for, and one failure ends the run."""

import threading

import pytest

from edge.crew import Crew


def test_threads_carry_their_names() -> None:
    crew, seen = Crew(), []
    crew.start("capture-door", lambda: seen.append(threading.current_thread().name))
    crew.join()
    assert seen == ["capture-door"]


def test_the_first_failure_is_raised_when_all_have_ended() -> None:
    crew = Crew()

    def wait() -> None:
        crew.failed.wait(60)

    def fail() -> None:
        raise ValueError("out of order")

    crew.start("waits", wait)
    crew.start("fails", fail)
    with pytest.raises(ValueError, match="out of order"):
        crew.join()
    assert crew.failed.is_set()
    assert not crew.is_working("waits", "fails")
