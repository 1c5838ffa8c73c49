"""Frame arithmetic: nothing is lost or doubled between segments."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.render.renderer import RenderError, frame_rate, frame_span, output_rate, output_size
from wire.documents import CameraInfo
from wire.policy import Policy
from wire.segment import Segment


def segment(start_ms: int, duration_ms: int) -> Segment:
    return Segment(start_ms, duration_ms, None, None, None, 0, still=False, cut=False)


def camera(width: int, height: int, fps: float = 25.0) -> CameraInfo:
    return CameraInfo(name="gate", width=width, height=height, fps=fps)


@given(
    st.integers(0, 2**40),
    st.lists(st.integers(1, 60_000), min_size=1, max_size=20),
    st.sampled_from([1.0, 7.5, 23.976, 25.0, 29.97, 30.0, 59.94, 12.345, 240.0]),
)
def test_consecutive_segments_add_up_to_the_whole(start_ms: int, durations: list[int], fps: float) -> None:
    frames, at_ms = 0, start_ms
    for duration_ms in durations:
        first, end = frame_span(segment(at_ms, duration_ms), fps)
        frames, at_ms = frames + end - first, at_ms + duration_ms
    first, end = frame_span(segment(start_ms, sum(durations)), fps)
    assert frames == end - first


def test_two_seconds_at_ntsc_rate_have_sixty_frames() -> None:
    assert frame_span(segment(0, 2002), 29.97) == (0, 60)


@pytest.mark.parametrize(
    ("fps", "exact"),
    [
        (25.0, Fraction(25)),
        (29.97, Fraction(30000, 1001)),
        (30000 / 1001, Fraction(30000, 1001)),
        (23.98, Fraction(24000, 1001)),
        (23.976, Fraction(24000, 1001)),
        (30.0, Fraction(30)),
        (12.5, Fraction(25, 2)),
        (0.5, Fraction(1, 2)),
        (1e-9, Fraction(1, 1001)),
    ],
)
def test_a_rate_is_read_as_the_fraction_that_was_meant(fps: float, exact: Fraction) -> None:
    assert frame_rate(fps) == exact


@pytest.mark.parametrize("fps", [0.0, -1.0, 1001.0, float("nan"), float("inf")])
def test_an_impossible_rate_is_refused(fps: float) -> None:
    with pytest.raises(RenderError, match="fps"):
        frame_rate(fps)


def test_the_receiver_may_ask_for_another_rate() -> None:
    assert output_rate(camera(64, 64), Policy()) == 25
    assert output_rate(camera(64, 64), Policy(fps=12)) == 12


@pytest.mark.parametrize(
    ("width", "height", "long_side_px", "size"),
    [
        pytest.param(1280, 720, 256, (256, 144), id="landscape"),
        pytest.param(720, 1280, 256, (144, 256), id="portrait"),
        pytest.param(333, 333, 255, (254, 254), id="square, odd"),
        pytest.param(3840, 2160, 640, (640, 360), id="4K"),
        pytest.param(101, 57, 256, (256, 144), id="small and odd"),
        pytest.param(32768, 1, 256, (256, 2), id="one line"),
        pytest.param(1, 32768, 256, (2, 256), id="one column"),
    ],
)
def test_output_sides_are_even_and_keep_the_aspect(
    width: int, height: int, long_side_px: int, size: tuple[int, int]
) -> None:
    assert output_size(camera(width, height), long_side_px) == size


@given(st.integers(1, 32768), st.integers(1, 32768), st.integers(16, 8192))
def test_any_camera_has_an_encodable_size(width: int, height: int, long_side_px: int) -> None:
    out_width, out_height = output_size(camera(width, height), long_side_px)
    assert out_width % 2 == out_height % 2 == 0
    assert 2 <= min(out_width, out_height) <= max(out_width, out_height) <= long_side_px
