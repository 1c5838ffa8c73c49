"""How many renderers there are: as many as are worth it, within bounds, and not fewer at every lull."""

import pytest

from cloud.engine.bounds import JOBS_EACH, SHRINK_S, Bounds, Size, wanted


@pytest.mark.parametrize(
    ("busy", "waiting", "expected"),
    [(0, 0, 2), (0, 1, 2), (2, JOBS_EACH, 3), (2, JOBS_EACH + 1, 4), (5, 1000, 6), (7, 0, 6)],
)
def test_the_queue_decides_within_bounds(busy: int, waiting: int, expected: int) -> None:
    assert wanted(Bounds(2, 6), busy, waiting) == expected


def test_it_grows_at_once_and_shrinks_after_a_while() -> None:
    size = Size(2).after(6, 0)
    assert size.count == 6
    size = size.after(2, 10).after(3, 10 + SHRINK_S - 1)
    assert size.count == 6
    assert size.after(3, 10 + SHRINK_S).count == 3


def test_a_lull_that_ends_is_forgotten() -> None:
    size = Size(6).after(2, 0).after(6, 30).after(2, SHRINK_S)
    assert size.count == 6


@pytest.mark.parametrize(("least", "most"), [(0, 1), (3, 2)])
def test_bounds_that_hold_nothing_are_refused(least: int, most: int) -> None:
    with pytest.raises(ValueError, match="renderers: "):
        Bounds(least, most)
