"""A set of numbers in runs holds what was put in."""

from hypothesis import given
from hypothesis import strategies as st

from edge.ranges import MOST, Ranges


@given(st.lists(st.integers(0, 60)))
def test_it_holds_what_was_added_and_nothing_else(numbers: list[int]) -> None:
    ranges = Ranges()
    for number in numbers:
        ranges.add(number)
    assert [number for number in range(62) if number in ranges] == sorted(set(numbers))


def test_where_there_are_too_many_runs_the_lowest_are_joined() -> None:
    ranges = Ranges()
    for number in range(0, 4 * MOST, 2):
        ranges.add(number)
    assert 1 in ranges
    assert 4 * MOST - 3 not in ranges
    assert all(number in ranges for number in range(0, 4 * MOST, 2))
