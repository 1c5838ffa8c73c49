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
    crew.start("waits", lambda: crew.failed.wait(5) and None)
    crew.start("fails", lambda: int("x"))  # type: ignore[arg-type, return-value]
    with pytest.raises(ValueError, match="invalid literal"):
        crew.join()
    assert crew.failed.is_set()
    assert not crew.is_working("waits", "fails")
