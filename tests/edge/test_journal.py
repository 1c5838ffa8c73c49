"""Minutes that wait: their order, what is told again, and how little a long outage takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.journal import KEPT, MESSAGE_BYTES, Journal, joined
from wire import telemetry
from wire.spent import Spent
from wire.telemetry import Telemetry


def minute(number: int, size: int = 5) -> Telemetry:
    return Telemetry(60 * number, spent=(Spent(0, (size,) * 12),))


def told(journal: Journal, published: int = 0) -> list[int]:
    """Tell all that waits, and give the times."""
    found = list[int]()
    while minutes := journal.next():
        assert len(telemetry.write(minutes)) <= MESSAGE_BYTES + len(minutes) or len(minutes) == 1
        journal.told(len(minutes), published)
        found += [each.uptime_s for each in minutes]
    return found


def test_minutes_go_in_the_order_in_which_they_passed() -> None:
    journal = Journal()
    for number in range(1, 100):
        journal.add(minute(number))
    assert told(journal) == [60 * number for number in range(1, 100)]
    assert len(journal) == 0


def test_what_a_lost_connection_may_have_lost_is_told_again_before_all_else() -> None:
    journal = Journal()
    for number in (1, 2, 3):
        journal.add(minute(number))
        told(journal, published=number)
    journal.confirmed(3)  # the third publication was acknowledged, so what went before it has arrived
    journal.add(minute(4))
    journal.connect()
    assert told(journal) == [180, 240]


def test_what_was_confirmed_is_not_told_again() -> None:
    journal = Journal()
    journal.add(minute(1))
    told(journal, published=7)
    journal.confirmed(7)
    journal.connect()
    assert told(journal, published=0) == [60]
    journal.confirmed(1)
    journal.connect()
    assert told(journal) == []


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=1000))
def test_however_long_an_outage_is_no_byte_is_lost_and_few_records_wait(sizes: list[int]) -> None:
    journal = Journal()
    for number, size in enumerate(sizes, 1):
        journal.add(minute(number, size or 1))
        assert len(journal) <= KEPT
    minutes = list[Telemetry]()
    while found := journal.next():
        journal.told(len(found), 0)
        minutes += found
    assert sum(each.span_s for each in minutes) == 60 * len(sizes)
    assert sum(each.spent[0].bytes[0] for each in minutes) == sum(size or 1 for size in sizes)
    ends = [each.uptime_s for each in minutes]
    assert [each.uptime_s - each.span_s for each in minutes] == [0, *ends[:-1]]


def test_what_was_told_once_is_never_joined_to_another() -> None:
    journal = Journal()
    journal.add(minute(1))
    told(journal)
    journal.connect()
    for number in range(2, 2 + 2 * KEPT):
        journal.add(minute(number))
    assert (journal.next()[0].uptime_s, journal.next()[0].span_s) == (60, 60)


def test_a_week_without_network_fits_into_a_few_messages() -> None:
    journal, messages = Journal(), 0
    for number in range(1, 7 * 24 * 60):
        journal.add(Telemetry(60 * number, 5000, 600_000, 60 * number))
    while found := journal.next():
        journal.told(len(found), 0)
        messages += 1
    assert messages <= 3


@pytest.mark.parametrize(
    ("first_ms", "second_ms", "mean_ms", "most_ms"), [(100, 200, 150, 400), (0, 200, 200, 400), (0, 0, 0, 0)]
)
def test_joined_minutes_tell_both(first_ms: int, second_ms: int, mean_ms: int, most_ms: int) -> None:
    first = Telemetry(60, 9, alarms=frozenset({1}), encode_ms=first_ms, encode_most_ms=2 * first_ms)
    second = Telemetry(120, 4, alarms=frozenset({2}), encode_ms=second_ms, encode_most_ms=2 * second_ms)
    both = joined(first, second)
    assert (both.uptime_s, both.span_s, both.spool_packets, both.alarms) == (120, 120, 4, frozenset({1, 2}))
    assert (both.encode_ms, both.encode_most_ms) == (mean_ms, most_ms)


def test_minutes_that_are_joined_name_a_link_if_both_went_by_it() -> None:
    first, same, other = (Telemetry(uptime_s, link=link) for uptime_s, link in ((60, 1), (120, 1), (180, 0)))
    assert joined(first, same).link == 1
    assert joined(same, other).link is None
