"""Which frames are diffused, when, and through which pictures."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.render.diffusion.plan import (
    Limits,
    Pictures,
    Shown,
    Slot,
    Span,
    carried_indices,
    end_slots,
    picture_size,
    plan_span,
    reach,
    timed_slots,
)

LTX = Limits(Fraction(0), frames=161, stride=8, lead=9)
WAN = Limits(Fraction(16), frames=81, stride=4, lead=1)
ANIMATEDIFF = Limits(Fraction(8), frames=16, stride=1, lead=0)
TWO_SECONDS = Shown(50, 100, Fraction(25))

rates = st.fractions(1, 60, max_denominator=1001)


@st.composite
def shown_frames(draw: st.DrawFn) -> Shown:
    first = draw(st.integers(0, 10_000))
    return Shown(first, first + draw(st.integers(1, 400)), draw(rates))


@given(
    shown_frames(),
    st.builds(
        Limits, st.one_of(st.just(Fraction(0)), rates), st.integers(1, 200), st.sampled_from([1, 4, 8]),
        st.sampled_from([0, 1, 9, 17]),
    ),
    st.integers(0, 20),
    st.one_of(st.none(), st.fractions(0, 2000, max_denominator=10)),
)  # fmt: skip
def test_a_span_is_what_the_model_takes_and_covers_what_is_shown(
    shown: Shown, limits: Limits, carried: int, further_ms: Fraction | None
) -> None:
    reach_ms = None if further_ms is None else shown.last_ms + further_ms
    span = plan_span(shown, limits, carried, reach_ms)
    assert span.count % limits.stride == 1 % limits.stride
    assert 1 <= span.count <= limits.frames
    assert span.lead in {0, *range(1, min(carried, limits.lead) + 1, limits.stride)}
    indices = span.indices(shown)
    assert len(indices) == shown.end - shown.first
    assert (np.diff(indices) >= 0).all()
    assert indices.min() >= span.lead
    assert indices.max() < span.count
    assert span.rate <= (limits.rate or shown.rate)
    if span.count > 1:
        assert span.end_ms >= max(shown.last_ms, reach_ms or 0)
        for frame, index in zip(range(shown.first, shown.end), indices, strict=True):
            if index > span.lead:
                apart_ms = abs(shown.time_ms(frame) - (span.begin_ms + index * 1000 / span.rate))
                assert apart_ms <= 500 / span.rate
    assert len(carried_indices(span, shown, max(carried, 1))) == span.lead


def test_a_model_of_any_rate_makes_each_frame_that_is_shown() -> None:
    span = plan_span(TWO_SECONDS, LTX, carried=0)
    assert span == Span(57, Fraction(25), Fraction(2000), 0)
    assert span.indices(TWO_SECONDS).tolist() == list(range(50))


def test_carried_frames_come_before_the_first_that_is_shown() -> None:
    span = plan_span(TWO_SECONDS, LTX, carried=9)
    assert span == Span(65, Fraction(25), Fraction(2000 - 9 * 40), 9)
    assert span.indices(TWO_SECONDS).tolist() == list(range(9, 59))
    assert carried_indices(span, TWO_SECONDS, 9).tolist() == list(range(9))


@pytest.mark.parametrize(("carried", "lead"), [(0, 0), (1, 1), (8, 1), (9, 9), (30, 9)])
def test_as_many_frames_lead_as_the_model_reads(carried: int, lead: int) -> None:
    assert plan_span(TWO_SECONDS, LTX, carried).lead == lead


def test_frames_that_are_too_far_apart_for_the_model_do_not_lead_repeated() -> None:
    at_24 = Limits(Fraction(24), frames=161, stride=8, lead=9)
    slow, fast = Shown(10, 20, Fraction(10)), Shown(60, 120, Fraction(60))
    assert plan_span(slow, at_24, carried=9).lead == 1
    assert plan_span(fast, at_24, carried=9).lead == 1
    wide = Limits(Fraction(24), frames=161, stride=8, lead=41)
    span = plan_span(fast, wide, carried=41)
    assert span.lead == 17
    assert carried_indices(span, fast, 41)[[0, 15, 16]].tolist() == [0, 37, 40]


def test_slow_models_repeat_the_nearest_frame() -> None:
    span = plan_span(TWO_SECONDS, ANIMATEDIFF, carried=1)
    assert span.lead == 0
    assert span.count == 16
    indices = span.indices(TWO_SECONDS)
    assert set(indices.tolist()) == set(range(16))


def test_a_model_that_makes_few_frames_makes_them_at_a_lower_rate() -> None:
    long = Shown(0, 250, Fraction(25))
    span = plan_span(long, LTX, carried=9)
    assert (span.count, span.lead) == (161, 1)
    assert span.rate < 25
    assert span.indices(long)[[0, -1]].tolist() == [1, 160]


def test_one_frame_is_repeated() -> None:
    one = Limits(Fraction(0), frames=7, stride=8, lead=9)
    span = plan_span(TWO_SECONDS, one, carried=9, reach_ms=Fraction(5000))
    assert (span.count, span.lead) == (1, 0)
    assert not span.indices(TWO_SECONDS).any()


def test_what_is_diffused_goes_on_to_the_next_keyframe_unless_that_is_far() -> None:
    assert reach(TWO_SECONDS, None) is None
    assert reach(TWO_SECONDS, Fraction(5000)) == 5000
    assert reach(TWO_SECONDS, Fraction(34_000)) is None
    near = plan_span(TWO_SECONDS, LTX, 0, Fraction(4400))
    assert near.end_ms >= 4400
    assert near.index(Fraction(4400)) == 60
    assert near.indices(TWO_SECONDS).max() == 49


def pictures(keyframe_ms: int | None, next_ms: int | None, anchors: int = 0) -> Pictures:
    times = [None if time is None else Fraction(time) for time in (keyframe_ms, next_ms)]
    return Pictures(times[0], times[1], anchors, 1.0, 0.5)


def test_pictures_have_their_own_times_where_the_model_takes_that() -> None:
    span = Span(65, Fraction(25), Fraction(2000), 0)
    assert timed_slots(span, pictures(2440, 4400)) == (Slot("keyframe", 11, 1.0), Slot("next", 60, 1.0))
    assert timed_slots(span, pictures(None, None)) == ()


def test_a_keyframe_does_not_overwrite_carried_frames() -> None:
    span = Span(65, Fraction(25), Fraction(1640), 9)
    assert timed_slots(span, pictures(2000, None)) == (Slot("keyframe", 9, 1.0),)


def test_two_pictures_are_never_one_frame() -> None:
    span = Span(1, Fraction(25), Fraction(2000), 0)
    assert timed_slots(span, pictures(2000, 4000, 2)) == (Slot("keyframe", 0, 1.0),)
    assert timed_slots(span, pictures(None, None, 2)) == (Slot(0, 0, 0.5),)
    assert end_slots(span, pictures(2000, 4000, 2), both=True) == (Slot("keyframe", 0, 1.0),)


def test_anchors_fill_the_ends_that_are_empty() -> None:
    span = Span(65, Fraction(25), Fraction(2000), 0)
    carried = Span(65, Fraction(25), Fraction(1960), 1)
    assert timed_slots(span, pictures(None, None, 3)) == (Slot(0, 0, 0.5), Slot(1, 64, 0.5))
    assert timed_slots(span, pictures(2440, None, 3)) == (Slot("keyframe", 11, 1.0), Slot(0, 64, 0.5))
    assert timed_slots(span, pictures(None, 4400, 3)) == (Slot(0, 0, 0.5), Slot("next", 60, 1.0))
    assert timed_slots(carried, pictures(None, None, 3)) == (Slot(0, 64, 0.5),)
    assert end_slots(span, pictures(None, None, 3), both=True) == (Slot(0, 0, 0.5), Slot(1, 64, 0.5))
    assert end_slots(carried, pictures(None, None, 3), both=True) == (Slot(0, 64, 0.5),)


@pytest.mark.parametrize(
    ("lead", "known", "expected"),
    [
        (0, (2440, 4400), (Slot("keyframe", 0, 1.0), Slot("next", 64, 1.0))),
        (0, (2440, None), (Slot("keyframe", 0, 1.0),)),
        (1, (2440, 4400), (Slot("next", 64, 1.0),)),
        (1, (2440, None), (Slot("keyframe", 64, 1.0),)),
        (1, (None, None), ()),
        (0, (None, 4400), ()),
    ],
)
def test_a_model_of_two_pictures_gets_the_first_and_the_last_that_are_known(
    lead: int, known: tuple[int | None, int | None], expected: tuple[Slot, ...]
) -> None:
    span = Span(65, Fraction(16), Fraction(2000), lead)
    assert end_slots(span, pictures(*known), both=True) == expected


@pytest.mark.parametrize(
    ("lead", "keyframe_ms", "expected"),
    [
        (0, 2440, (Slot("keyframe", 0, 1.0),)),
        (1, 2440, (Slot("keyframe", 0, 1.0),)),
        (1, None, ()),
        (0, None, (Slot(0, 0, 0.5),)),
    ],
)
def test_a_model_of_one_picture_prefers_what_was_seen(
    lead: int, keyframe_ms: int | None, expected: tuple[Slot, ...]
) -> None:
    span = Span(65, Fraction(16), Fraction(2000), lead)
    assert end_slots(span, pictures(keyframe_ms, 4400, 2), both=False) == expected


@pytest.mark.parametrize(
    ("wished", "long_side_px", "multiple", "size"),
    [
        ((1280, 720), 0, 32, (1280, 736)),
        ((256, 144), 704, 32, (704, 384)),
        ((144, 256), 832, 16, (464, 832)),
        ((64, 2), 0, 32, (64, 32)),
        ((16, 16), 0, 32, (32, 32)),
    ],
)
def test_the_size_is_a_multiple_of_about_the_same_shape(
    wished: tuple[int, int], long_side_px: int, multiple: int, size: tuple[int, int]
) -> None:
    assert picture_size(*wished, long_side_px, multiple) == size
