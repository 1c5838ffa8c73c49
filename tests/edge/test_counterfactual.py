"""When video is sampled, and what the samples say."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.counterfactual import WINDOW_S, Pace, Quality, Rates
from wire.spent import Codec, Sample

SHARE = 0.02


@given(
    st.lists(st.tuples(st.floats(0.05, 20), st.booleans()), min_size=1, max_size=40),
    st.floats(0.5, 120),
)
def test_no_more_than_the_share_is_ever_spent(windows: list[tuple[float, bool]], step_s: float) -> None:
    """Whatever windows take: they stop when the share is used up, at the next picture."""
    pace, now_s, picture_s = Pace(SHARE, 100.0), 100.0, 0.01
    for takes_s, _ in windows:
        now_s += step_s
        if not pace.may_begin("door", Codec.H264, 100.0, now_s):
            continue
        running_s = 0.0
        while running_s < takes_s and not pace.is_over(now_s, running_s):
            running_s += picture_s
            now_s += picture_s
        pace.spent("door", Codec.H264, running_s, whole=running_s >= takes_s)
        assert pace.spent_s <= SHARE * (now_s - 100.0) + picture_s


def test_a_window_waits_until_there_is_time_for_one_like_the_last() -> None:
    pace = Pace(SHARE, 0.0)
    assert not pace.may_begin("door", Codec.H264, 46.0, 100.0)  # 4.6 s by the first guess
    assert pace.may_begin("door", Codec.H264, 46.0, 230.1)
    pace.spent("door", Codec.H264, 1.0)
    assert pace.may_begin("door", Codec.H264, 46.0, 230.1)
    assert not pace.may_begin("door", Codec.H265, 46.0, 230.1)  # of which nothing is known
    pace.spent("door", Codec.H264, 3.0)
    assert not pace.may_begin("door", Codec.H264, 46.0, 424.0)  # 4 s, and half as much again as the last
    assert pace.may_begin("door", Codec.H264, 46.0, 425.1)


def test_a_window_that_was_given_up_is_taken_to_need_twice_as_much() -> None:
    pace = Pace(SHARE, 0.0)
    pace.spent("door", Codec.H265, 2.0, whole=False)
    assert not pace.may_begin("door", Codec.H265, 46.0, 399.0)
    assert pace.may_begin("door", Codec.H265, 46.0, 400.1)


@given(st.lists(st.integers(1, 10**7), min_size=2, max_size=50))
def test_mean_and_deviation_are_those_of_the_windows(sizes: list[int]) -> None:
    rates = Rates()
    for size in sizes:
        rates.add(size, round(WINDOW_S * 1e6))
    per_second = [size / WINDOW_S for size in sizes]
    assert rates.bytes / (rates.sampled_us / 1e6) == pytest.approx(statistics.fmean(per_second))
    assert rates.deviation == pytest.approx(statistics.stdev(per_second), rel=1e-6, abs=1e-6)


def test_a_sample_is_written_as_telemetry_has_it() -> None:
    rates = Rates()
    rates.add(100_000, 2_000_000)
    rates.add(140_000, 2_000_000)
    sample = rates.sample(3, Codec.H265, Quality("veryfast", 28))
    assert sample == Sample(3, Codec.H265, 2, 4000, 240_000, 14_142, 28, 2)
