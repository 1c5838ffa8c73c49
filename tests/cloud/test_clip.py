"""Rendering segments in order: exact lengths, no blending across cuts, the same again for a seed."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from cloud.render.anchors import Scenery
from cloud.render.clip import (
    context_of,
    fingerprint,
    goes_on,
    provenance,
    render_recording,
    render_segment,
    tail,
)
from cloud.render.load import load_renderer
from cloud.render.renderer import Context, RenderCancelledError, RenderError, never
from cloud.scene import resolve
from tests.bundles import CAPTIONS
from tests.cloud.sample import CAMERA, STEPS, CarryingRenderer, Device, MeanRenderer
from wire.bundle import Bundle, BundleError
from wire.documents import CameraInfo
from wire.policy import Policy
from wire.segment import Segment

SMALL = Policy(long_side_px=64)


@pytest.fixture
def segments(bundle: Bundle) -> list[Segment]:
    device = Device(bundle)
    packets = [device.packet(CAPTIONS[0], duration_ms=ms, cut=ms == 950) for ms in (1000, 950, 33, 1017)]
    return resolve(packets, device.codec)


def joined(segments: Sequence[Segment], policy: Policy = SMALL, seed: int = 0) -> NDArray[np.uint8]:
    return np.concatenate(list(render_recording(segments, CAMERA, MeanRenderer(), policy, seed)))


def test_a_recording_has_as_many_frames_as_its_source(segments: list[Segment]) -> None:
    assert joined(segments).shape == (30, 36, 64, 3)


def test_progress_is_told_after_each_segment(segments: list[Segment]) -> None:
    told = []
    for _ in render_recording(segments, CAMERA, MeanRenderer(), SMALL, 0, lambda: told.append(1)):
        pass
    assert len(told) == len(segments)


def test_the_same_seed_gives_the_same_frames(segments: list[Segment]) -> None:
    assert np.array_equal(joined(segments, seed=3), joined(segments, seed=3))
    assert not np.array_equal(joined(segments, seed=3), joined(segments, seed=9))


def test_nothing_is_blended_across_a_cut_or_a_gap(segments: list[Segment]) -> None:
    assert context_of(segments, 0) == Context(None, None), "the second segment begins with a cut"
    assert context_of(segments, 1) == Context(None, segments[2])
    assert context_of(segments, 3) == Context(segments[2], None)
    assert context_of([segments[0], segments[3]], 1) == Context(None, None), "two are missing between them"


def test_a_renderer_that_breaks_its_promise_is_caught(segments: list[Segment]) -> None:
    class Short(MeanRenderer):
        def render(
            self,
            segment: Segment,
            context: Context,
            camera: CameraInfo,
            policy: Policy,
            seed: int,
            cancelled: Callable[[], bool] = never,
        ) -> NDArray[np.uint8]:
            return super().render(segment, context, camera, policy, seed, cancelled)[1:]

    with pytest.raises(RenderError, match=r"mean-1 gave uint8 \(9, 36, 64, 3\) for segment 0, expected"):
        next(render_recording(segments, CAMERA, Short(), SMALL, 0))


def test_a_segment_of_too_many_pixels_is_refused_before_it_is_made(segments: list[Segment]) -> None:
    camera = CameraInfo("gate", 1280, 720, 1000.0)
    endless = replace(segments[0], duration_ms=120_000)
    with pytest.raises(RenderError, match="120000 frames of 256x144"):
        list(render_recording([endless], camera, MeanRenderer(), Policy(), 0))


def test_a_fingerprint_covers_all_that_a_clip_depends_on(bundle: Bundle) -> None:
    device = Device(bundle)
    packets = [device.packet(), device.packet()]
    subject: dict[str, object] = {"segment": 0}
    renderer = MeanRenderer()
    stated = provenance(subject, "aa", renderer, SMALL, 0, packets)
    assert stated["packets_bytes"] == sum(len(bytes(packet)) for packet in packets)
    same = fingerprint(stated)
    assert same == fingerprint(provenance(subject, "aa", renderer, SMALL, 0, packets))
    others = {
        fingerprint(provenance({"segment": 1}, "aa", renderer, SMALL, 0, packets)),
        fingerprint(provenance(subject, "ab", renderer, SMALL, 0, packets)),
        fingerprint(provenance(subject, "aa", renderer, Policy(), 0, packets)),
        fingerprint(provenance(subject, "aa", renderer, SMALL, 1, packets)),
        fingerprint(provenance(subject, "aa", renderer, SMALL, 0, packets[:1])),
    }
    assert len(others - {same}) == 5


def test_a_renderer_that_carries_goes_on_from_the_last_frames_of_the_scene(segments: list[Segment]) -> None:
    renderer = CarryingRenderer(start=10)
    clips = list(render_recording(segments, CAMERA, renderer, SMALL, 0))
    assert [len(clip) for clip in clips] == [10, 10, 0, 10]
    assert renderer.carried == [None, None, [17, 18, 19]], "the second begins with a cut, the third is empty"
    assert clips[3][0, 0, 0].tolist() == [20, 20, 20]


def test_a_short_clip_hands_on_what_it_went_on_from_itself(bundle: Bundle) -> None:
    device = Device(bundle)
    segments = resolve([device.packet(duration_ms=ms) for ms in (200, 100, 100, 500)], device.codec)
    renderer = CarryingRenderer(start=10)
    list(render_recording(segments, CAMERA, renderer, SMALL, 0))
    assert renderer.carried == [None, [10, 11], [10, 11, 12], [11, 12, 13]]


def test_a_renderer_that_carries_nothing_is_given_nothing(segments: list[Segment]) -> None:
    renderer = CarryingRenderer()
    renderer.carries = 0
    list(render_recording(segments, CAMERA, renderer, SMALL, 0))
    assert renderer.carried == [None] * 3


def test_a_tail_is_a_copy_of_the_last_frames() -> None:
    frames = np.arange(5, dtype=np.uint8)[:, None, None, None]
    last = tail(None, frames, 2)
    assert last is not None
    assert last.ravel().tolist() == [3, 4]
    assert not np.shares_memory(last, frames), "the clip need not be kept for it"
    assert tail(None, frames, 0) is None
    assert tail(None, frames[:0], 2) is None, "nothing was shown yet"
    assert np.array_equal(tail(frames, frames[:0], 2), frames[-2:])  # type: ignore[arg-type]
    assert len(tail(None, frames, 9)) == 5  # type: ignore[arg-type]


def test_scenes_go_on_but_across_cuts_and_gaps(segments: list[Segment]) -> None:
    assert [goes_on(segments, index) for index in range(4)] == [False, False, True, True]
    assert not goes_on([segments[0], segments[3]], 1)


def test_anchors_reach_the_renderer(segments: list[Segment]) -> None:
    renderer = CarryingRenderer()
    picture = np.zeros((4, 4, 3), np.uint8)
    list(render_recording(segments, CAMERA, renderer, SMALL, 0, scenery=Scenery((picture, picture))))
    assert renderer.anchors == [2] * 3


def test_a_rendering_that_nobody_wants_ends_at_its_next_step(segments: list[Segment]) -> None:
    renderer = CarryingRenderer()
    asked = iter([False, False, True])
    with pytest.raises(RenderCancelledError):
        render_segment(segments, 0, CAMERA, renderer, SMALL, 0, cancelled=lambda: next(asked))
    assert renderer.steps == 2 < STEPS


def test_a_bundle_without_its_renderer_is_refused(bundle: Bundle) -> None:
    with pytest.raises(BundleError):
        load_renderer(bundle, 1)
