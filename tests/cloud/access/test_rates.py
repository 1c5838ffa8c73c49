"""Rates: a burst, then as many as time brings; and what answers say of it."""

from cloud.access.rates import MOST, Meter, Quota, Reading

QUOTA = Quota("requests", rate_per_s=2, burst=4)


def test_a_burst_passes_and_then_as_many_as_time_brings() -> None:
    meter = Meter(QUOTA)
    assert [meter.take("a", 0).passed for _ in range(5)] == [True] * 4 + [False]
    assert not meter.take("a", 499).passed
    assert meter.take("a", 500).passed
    assert not meter.take("a", 500).passed
    assert [meter.take("a", 60_000).passed for _ in range(5)] == [True] * 4 + [False], (
        "no more than the burst"
    )


def test_each_caller_has_its_own() -> None:
    meter = Meter(QUOTA)
    for _ in range(5):
        meter.take("a", 0)
    assert meter.take("b", 0).passed


def test_answers_say_what_is_left_and_when_there_is_more() -> None:
    meter = Meter(QUOTA)
    assert QUOTA.field == '"requests";q=4;w=2'
    assert meter.take("a", 0) == Reading(QUOTA, passed=True, remaining=3, reset_s=1)
    for _ in range(3):
        meter.take("a", 0)
    refused = meter.take("a", 0)
    assert (refused.passed, refused.field) == (False, '"requests";r=0;t=1')
    slow = Meter(Quota("renders", rate_per_s=0.1, burst=1))
    slow.take("a", 0)
    assert slow.take("a", 2_000).reset_s == 8


def test_what_is_taken_beyond_is_owed() -> None:
    meter = Meter(QUOTA)
    assert meter.take("a", 0, 10).passed
    refused = meter.take("a", 2_900)
    assert (refused.passed, refused.reset_s) == (False, 1)
    assert meter.take("a", 3_600).passed


def test_looking_takes_nothing() -> None:
    meter = Meter(QUOTA)
    for _ in range(10):
        assert meter.take("a", 0, 0).remaining == 4


def test_no_more_callers_are_remembered_than_there_is_room_for() -> None:
    meter = Meter(QUOTA)
    for _ in range(5):
        meter.take("first", 0)
    for number in range(MOST - 1):
        meter.take(str(number), 0)
    assert not meter.take("first", 0).passed, "still remembered, and the last to be forgotten now"
    for number in range(MOST):
        meter.take(f"other {number}", 0)
    assert meter.take("first", 0).passed, "forgotten"
