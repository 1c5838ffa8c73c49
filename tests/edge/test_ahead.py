"""Running ahead: bounded, in order, and never left behind."""

import threading
import time
from collections.abc import Iterator

import pytest

from edge.ahead import Ahead
from tests.edge.cloud import wait_for


def counting(limit: int, taken: list[int]) -> Iterator[int]:
    for number in range(limit):
        taken.append(number)
        yield number


def test_everything_comes_in_order() -> None:
    with Ahead(range(50), limit=3, name="count") as items:
        assert list(items) == list(range(50))


def test_it_runs_no_further_ahead_than_allowed() -> None:
    taken: list[int] = []
    with Ahead(counting(50, taken), limit=3, name="count") as items:
        wait_for(lambda: len(taken) >= 4)
        time.sleep(0.2)
        assert len(taken) == 4  # three wait, one is in its hand
        assert next(iter(items)) == 0


def test_what_the_iterator_raises_comes_after_its_items() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise OSError("no more")

    seen: list[int] = []
    with Ahead(failing(), limit=3, name="fail") as items, pytest.raises(OSError, match="no more"):
        seen.extend(items)
    assert seen in ([], [1])


def test_leaving_early_ends_the_thread() -> None:
    with Ahead(counting(10**9, []), limit=2, name="endless") as items:
        next(iter(items))
    assert not any(thread.name.startswith("endless") for thread in threading.enumerate())
