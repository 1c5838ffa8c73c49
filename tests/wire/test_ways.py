"""Ways that bend: as ends and bends, and back."""

import pytest

from wire.ways import along, bends_of, fewest, rounds, via_of


def test_bends_are_measured_round_by_round() -> None:
    # Middle 3 where 4 would be straight; then 3 and 7 where 1.5 and 5.5 would be.
    assert bends_of([3, 3, 7], 8, 1, 4) == [-1, 2, 2]
    assert via_of([-1, 2, 2], 8, 1) == [3.5, 3, 7.5]


def test_a_way_without_knots_is_straight() -> None:
    assert bends_of([], 8, 1, 8) == [0] * 7
    assert via_of([0, 0, 0], 8, 1) == [2, 4, 6]
    assert via_of([], 8, 1) == []


def test_rounds_without_bends_are_left_out() -> None:
    assert fewest([[1, 0, 0], [0, 0, 0]]) == [[1], [0]]
    assert fewest([[0, 0, 0], [0, 0, 1]]) == [[0, 0, 0], [0, 0, 1]]
    assert fewest([[0, 0, 0]]) == [[]]
    assert fewest([]) == []
    assert [(part.start, part.stop) for part in rounds(8)] == [(0, 1), (1, 3), (3, 7)]
    assert not list(rounds(1))


def test_a_way_goes_on_for_as_long_as_it_is() -> None:
    ways = [along([0, 1, 4], time) for time in (-9, -1, -0.5, 0, 0.25, 0.5, 0.75, 1, 1.5, 2, 9)]
    assert ways == pytest.approx([-2, -2, -1, 0, 0.5, 1, 2.5, 4, 7, 10, 10])
