"""What the page plays next."""

import pytest

from cloud.catalog import SegmentView
from cloud.page.choice import is_waiting, next_choice


def segment(number: int, fault: str | None = None, render: str = "done") -> SegmentView:
    return SegmentView(
        id=number, camera="a/b/c/d", sequence=number, start_ms=number, duration_ms=1, still=False,
        historical=False, caption=None, fault=fault, bytes=1, layers={}, render=render, error=None, clip=None,
    )  # fmt: skip


NEWEST_FIRST = [segment(number) for number in range(9, -1, -1)]


@pytest.mark.parametrize(
    ("chosen", "live", "finished", "choice"),
    [
        pytest.param(None, True, False, 9, id="live begins with the newest"),
        pytest.param(None, False, False, None, id="else nothing begins by itself"),
        pytest.param(5, True, False, 5, id="what plays is not cut off"),
        pytest.param(8, True, True, 9, id="live goes on"),
        pytest.param(7, True, True, 8, id="live goes on in order"),
        pytest.param(2, True, True, 9, id="live catches up"),
        pytest.param(2, False, True, 3, id="history goes on in order"),
        pytest.param(9, True, True, 9, id="the newest waits for its successor"),
        pytest.param(77, True, True, 9, id="live leaves what is not listed"),
        pytest.param(77, False, True, 77, id="history stays there"),
    ],
)
def test_what_comes_next(chosen: int | None, *, live: bool, finished: bool, choice: int | None) -> None:
    assert next_choice(NEWEST_FIRST, chosen, live=live, finished=finished) == choice


def test_what_is_not_understood_is_passed_over() -> None:
    segments = [segment(3), segment(2, fault="no birth"), segment(1)]
    assert next_choice(segments, 1, live=False, finished=True) == 3
    assert next_choice([segment(2, fault="no birth")], None, live=True, finished=False) is None
    assert next_choice([], None, live=True, finished=False) is None


def test_only_what_will_come_is_waited_for() -> None:
    assert is_waiting(segment(1, render="queued"))
    assert not is_waiting(segment(1, render="done"))
    assert not is_waiting(segment(1, render="failed"))
    assert not is_waiting(segment(1, fault="no birth", render="none"))
