"""Segments: no time is lost, stills are recognised, cuts are found, keyframes are sharp."""

from collections.abc import Iterable
from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.frame import Frame
from edge.segmenter import SAMPLES, STILL_LIMIT_MS, RawSegment, Segmenter
from tests.edge.films import noisy, panned, texture

STEP_MS = 125


def frames(pictures: Iterable[NDArray[np.uint8]], start_ms: int = 0, step_ms: int = STEP_MS) -> list[Frame]:
    return [Frame((start_ms + index * step_ms) * 1000, rgb) for index, rgb in enumerate(pictures)]


def moving(count: int, seed: int = 0) -> NDArray[np.uint8]:
    return panned(texture(seed), (160, 90), [(4 * step % 400, step % 200) for step in range(count)])


def resting(count: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.repeat(panned(texture(seed), (160, 90), [(0, 0)]), count, axis=0)


def cut_up(taken: list[Frame], end_ms: int | None = None) -> list[RawSegment]:
    segmenter = Segmenter()
    done = [segment for frame in taken for segment in segmenter.push(frame)]
    return done + segmenter.flush(end_ms)


def spans(segments: list[RawSegment]) -> list[tuple[int, int]]:
    return [(segment.start_ms, segment.duration_ms) for segment in segments]


def test_a_moving_scene_is_cut_every_two_seconds() -> None:
    segments = cut_up(frames(moving(40)), 5000)
    assert spans(segments) == [(0, 2000), (2000, 2000), (4000, 1000)]
    assert not any(segment.still or segment.cut for segment in segments)
    assert [len(segment.frames) for segment in segments] == [16, 16, 8]


def test_a_rest_shorter_than_half_a_second_joins_the_segment_before_it() -> None:
    assert spans(cut_up(frames(moving(19)), 2375)) == [(0, 2375)]
    assert spans(cut_up(frames(moving(35)), 4375)) == [(0, 2000), (2000, 2375)]


def test_a_long_segment_is_sampled_more_thinly() -> None:
    segmenter = Segmenter(11_000)
    segments = [segment for frame in frames(moving(190)) for segment in segmenter.push(frame)]
    assert spans(segments) == [(0, 11_000), (11_000, 11_000)]
    for segment in segments:
        assert SAMPLES / 2 <= len(segment.frames) <= SAMPLES
        gaps = np.diff(segment.times_ms)
        assert gaps.max() <= 2 * np.median(gaps) + STEP_MS
        assert segment.times_ms[-1] > segment.start_ms + 0.9 * segment.duration_ms


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([500, 2000, 3000, 12_000, 60_000]), min_size=1, max_size=12))
def test_no_time_is_lost_when_the_length_changes_on_the_way(targets: list[int]) -> None:
    segmenter, done = Segmenter(targets[0]), list[RawSegment]()
    for number, frame in enumerate(frames(moving(600))):
        segmenter.target_ms = targets[number * len(targets) // 600]
        done += segmenter.push(frame)
    done += segmenter.flush(75_000)
    assert done[0].start_ms == 0
    for before, after in pairwise(done):
        assert before.start_ms + before.duration_ms == after.start_ms
    assert done[-1].start_ms + done[-1].duration_ms == 75_000
    assert all(0 < len(segment.frames) <= SAMPLES + 4 for segment in done)


def test_one_frame_makes_one_still_segment() -> None:
    (segment,) = cut_up(frames(moving(1)), 40)
    assert (segment.duration_ms, segment.still, segment.keyframe, segment.keyframe_ms) == (40, True, 0, 0)


def test_no_frame_makes_no_segment() -> None:
    assert cut_up([]) == []


@pytest.mark.parametrize("sigma", [0, 4, 10])
def test_a_scene_without_motion_is_one_still_segment_whatever_the_sensors_noise(sigma: float) -> None:
    (segment,) = cut_up(frames(noisy(resting(200), sigma)), 25_000)
    assert (segment.still, segment.duration_ms) == (True, 25_000)
    assert len(segment.frames) <= 20


def test_slow_change_of_exposure_is_still() -> None:
    darker = np.stack(
        [np.clip(rgb * (1 - index / 400), 0, 255).astype(np.uint8) for index, rgb in enumerate(resting(16))]
    )
    assert cut_up(frames(darker))[0].still


def test_a_small_thing_that_moves_is_not_still() -> None:
    pictures = noisy(resting(16), 3)
    for index, picture in enumerate(pictures):
        picture[40:50, 30 + 4 * index : 40 + 4 * index] = (250, 250, 250)
    assert not cut_up(frames(pictures))[0].still


def test_a_still_segment_ends_when_something_moves() -> None:
    pictures = np.concatenate([resting(80), moving(32)])
    segments = cut_up(frames(pictures))
    assert [segment.still for segment in segments][:2] == [True, False]
    assert 10_000 <= segments[0].duration_ms <= 10_250


def test_a_still_segment_lasts_a_minute_at_most() -> None:
    segments = cut_up(frames(resting(150), step_ms=1000), 150_000)
    assert [segment.duration_ms for segment in segments] == [STILL_LIMIT_MS, STILL_LIMIT_MS, 30_000]


def test_a_new_scene_begins_a_segment_that_is_marked_as_a_cut() -> None:
    segments = cut_up(frames(np.concatenate([moving(12, seed=1), 255 - moving(12, seed=7)])), 3000)
    assert spans(segments) == [(0, 1500), (1500, 1500)]
    assert [segment.cut for segment in segments] == [False, True]


def test_a_flash_does_not_leave_a_segment_of_its_own() -> None:
    flash = np.full((1, 90, 160, 3), 255, np.uint8)
    segments = cut_up(frames(np.concatenate([moving(12), flash, moving(12)])), 3125)
    assert all(segment.duration_ms > 250 for segment in segments)
    assert sum(segment.duration_ms for segment in segments) == 3125


def test_fast_camera_motion_is_not_a_cut() -> None:
    swept = panned(texture(3), (160, 90), [(28 * step, 0) for step in range(16)])
    assert not any(segment.cut for segment in cut_up(frames(swept)))


def test_a_camera_that_was_away_leaves_a_gap_and_begins_anew() -> None:
    before, after = frames(moving(8)), frames(moving(8), start_ms=9000)
    after[0] = Frame(after[0].captured_us, after[0].rgb, resumed=True)
    segments = cut_up(before + after)
    assert spans(segments) == [(0, 1000), (9000, 1000)]
    assert segments[1].cut


def test_a_camera_that_comes_back_with_another_size_begins_anew() -> None:
    small = panned(texture(0), (120, 90), [(step, 0) for step in range(8)])
    segments = cut_up(frames(moving(8)) + frames(small, start_ms=1000))
    assert [segment.frames.shape[2] for segment in segments] == [160, 120]


def test_a_frame_that_is_shown_for_long_is_a_still_scene() -> None:
    pictures = moving(9)
    shown = frames(pictures[:8]) + frames(pictures[8:], start_ms=31_000)
    segments = cut_up(shown, 31_125)
    assert sum(segment.duration_ms for segment in segments) == 31_125
    assert max(segments, key=lambda segment: segment.duration_ms).still


def test_the_keyframe_is_the_first_sample_unless_that_is_clearly_blurred() -> None:
    pictures = moving(16)
    assert cut_up(frames(pictures))[0].keyframe == 0
    pictures[0] = cv2.GaussianBlur(pictures[0], (0, 0), 3)
    pictures[1] = cv2.GaussianBlur(pictures[1], (0, 0), 2)
    segment = cut_up(frames(pictures))[0]
    assert 2 <= segment.keyframe <= 5
    assert segment.keyframe_ms == segment.keyframe * STEP_MS


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["rest", "move", "cut"]), st.integers(1, 4000)), min_size=1, max_size=40
    )
)
def test_segments_follow_one_another_and_add_up_to_the_source(script: list[tuple[str, int]]) -> None:
    pictures = moving(60) // 2 + 40
    time_ms, position, seed, taken = 0, 0, 0, []
    for what, step_ms in script:
        position += what == "move"
        seed += what == "cut"
        taken.append(Frame(time_ms * 1000, np.roll(pictures[position % 60], 60 * seed, axis=2 - seed % 2)))
        time_ms += step_ms
    segments = cut_up(taken, time_ms)
    assert segments[0].start_ms == 0
    for before, after in pairwise(segments):
        assert before.start_ms + before.duration_ms == after.start_ms
    assert sum(segment.duration_ms for segment in segments) == time_ms
    for segment in segments:
        assert len(segment.times_ms) == len(segment.frames) <= 40
        assert 0 <= segment.keyframe_ms < segment.duration_ms
        assert segment.duration_ms <= STILL_LIMIT_MS + 4000
