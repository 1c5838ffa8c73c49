"""The preview renderer on the shipped bundle."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from cloud.render.clip import render_segment
from cloud.render.preview import PreviewRenderer
from cloud.render.renderer import Context, RenderError
from edge.appearance import AppearanceEncoder
from wire.bundle import Bundle, BundleError
from wire.documents import CameraInfo
from wire.motion import CameraMotion, Motion
from wire.neighbours import UNKNOWN
from wire.policy import Policy
from wire.segment import Segment
from wire.words import WORD_SPEED

CAMERA = CameraInfo("yard", 320, 180, 10.0)
NOBODY = Context(None, None)
POLICY = Policy(long_side_px=160)


@pytest.fixture(scope="module")
def bundle(tiny: Path) -> Bundle:
    return Bundle.load(tiny)


@pytest.fixture(scope="module")
def renderer(bundle: Bundle) -> PreviewRenderer:
    return PreviewRenderer(bundle)


@pytest.fixture(scope="module")
def segment(bundle: Bundle) -> Segment:
    """Two seconds of a picture of a bright block on a dark ground."""
    picture = np.full((180, 320, 3), 40, np.uint8)
    picture[60:120, 110:210] = (230, 210, 190)
    tokens = AppearanceEncoder(bundle).encode(picture)
    return Segment(
        0, 2000, "a white box on a gray floor nothing moves", Motion(), tokens, 0, still=False, cut=False
    )


def test_frames_fill_the_segment_at_the_asked_size(renderer: PreviewRenderer, segment: Segment) -> None:
    frames = renderer.render(segment, NOBODY, CAMERA, POLICY, seed=0)
    assert frames.shape == (20, 90, 160, 3)
    assert frames.dtype == np.uint8


def test_a_keyframe_at_the_very_end_is_shown(renderer: PreviewRenderer, segment: Segment) -> None:
    frames = renderer.render(replace(segment, keyframe_ms=2000), NOBODY, CAMERA, POLICY, seed=0)
    assert frames[:, 35:55, 60:100].mean() > 150
    following = replace(segment, start_ms=2000, duration_ms=60_000, keyframe_ms=30_000)
    zooming = replace(segment, motion=Motion(CameraMotion(zoom=4), via=(CameraMotion(),) * 7))
    frames = renderer.render(zooming, Context(None, following), CAMERA, POLICY, seed=0)
    assert frames.mean() > 20


def test_the_same_seed_gives_the_same_frames(
    bundle: Bundle, renderer: PreviewRenderer, segment: Segment
) -> None:
    moving = replace(segment, motion=Motion(CameraMotion(pan_x=0.2)))
    again = PreviewRenderer(bundle)
    first = renderer.render(moving, Context(None, segment), CAMERA, POLICY, seed=3)
    assert np.array_equal(first, again.render(moving, Context(None, segment), CAMERA, POLICY, seed=3))
    free = replace(moving, motion=None)
    one, other = (renderer.render(free, Context(None, segment), CAMERA, POLICY, seed=seed) for seed in (3, 4))
    assert not np.array_equal(one, other)


def test_a_still_segment_holds_its_keyframe(renderer: PreviewRenderer, segment: Segment) -> None:
    frames = renderer.render(replace(segment, still=True, duration_ms=60_000), NOBODY, CAMERA, POLICY, seed=0)
    assert len(frames) == 600
    assert (frames == frames[0]).all()


def test_a_prefix_of_the_planes_renders_too(renderer: PreviewRenderer, segment: Segment) -> None:
    assert segment.tokens is not None
    coarse = replace(segment, tokens=segment.tokens[:4])
    assert renderer.render(coarse, NOBODY, CAMERA, POLICY, seed=0).shape == (20, 90, 160, 3)


def test_a_token_that_is_unknown_is_drawn_as_one_that_is_missing(
    renderer: PreviewRenderer, segment: Segment
) -> None:
    assert segment.tokens is not None
    partly = segment.tokens.copy()
    partly[4:] = UNKNOWN
    pictures = [
        renderer.render(replace(segment, tokens=tokens, still=True), NOBODY, CAMERA, POLICY, seed=0)[0]
        for tokens in (segment.tokens, partly, segment.tokens[:4])
    ]
    assert np.array_equal(pictures[1], pictures[2])
    assert not np.array_equal(pictures[1], pictures[0])


def test_without_appearance_the_scene_before_is_kept(renderer: PreviewRenderer, segment: Segment) -> None:
    bare = replace(segment, tokens=None, start_ms=2000, still=True)
    kept = renderer.render(bare, Context(segment, None), CAMERA, POLICY, seed=0)
    shown = renderer.render(replace(segment, still=True), NOBODY, CAMERA, POLICY, seed=0)
    assert np.array_equal(kept[0], shown[0])


def displacement(frames: NDArray[np.uint8]) -> float:
    """Measure how far the picture moves to the right, first frame to last, in fractions of its width."""
    first, last = (cv2.cvtColor(frames[n], cv2.COLOR_RGB2GRAY).astype(np.float32) for n in (0, -1))
    window = cv2.createHanningWindow(first.shape[::-1], cv2.CV_32F)
    (x, _), _ = cv2.phaseCorrelate(first, last, window)
    return float(x / first.shape[1])


@pytest.mark.parametrize("pan", [-0.2, 0.2])
def test_the_motion_layer_moves_the_picture_its_way(
    renderer: PreviewRenderer, segment: Segment, pan: float
) -> None:
    moving = replace(segment, motion=Motion(CameraMotion(pan_x=pan)), caption="a white box")
    moved = displacement(renderer.render(moving, NOBODY, CAMERA, POLICY, seed=0))
    assert moved * pan > 0
    assert abs(moved) == pytest.approx(abs(pan), rel=0.5)


def scene(shift: float) -> NDArray[np.uint8]:
    """Blocks on a gradient, moved to the right by `shift` of the width."""
    picture = np.empty((180, 320, 3), np.uint8)
    picture[:] = np.linspace(50, 120, 320, dtype=np.uint8)[None, :, None]
    for x, y, shade in ((40, 30, (220, 60, 50)), (150, 80, (230, 210, 190)), (230, 20, (40, 90, 200))):
        left = round(x + shift * 320)
        picture[y : y + 70, max(left, 0) : left + 60] = shade
    return picture


def steps(frames: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean absolute differences of neighbouring frames (T - 1,)."""
    return np.asarray(np.abs(np.diff(frames.astype(np.int16), axis=0)).mean((1, 2, 3)), np.float64)


@pytest.mark.parametrize("keyframe_ms", [0, 400])
def test_segments_join_without_a_jump(bundle: Bundle, renderer: PreviewRenderer, keyframe_ms: int) -> None:
    encoder, pan = AppearanceEncoder(bundle), 0.1
    segments = [
        Segment(
            2000 * number, 2000, "colored blocks camera pans left", Motion(CameraMotion(pan_x=pan)),
            encoder.encode(scene(pan * (number + keyframe_ms / 2000))), keyframe_ms,
            still=False, cut=False, sequence=number,
        )
        for number in range(3)
    ]  # fmt: skip
    shown = [render_segment(segments, number, CAMERA, renderer, POLICY, 0) for number in range(2)]
    inside = np.concatenate([steps(frames) for frames in shown])
    across = steps(np.stack([shown[0][-1], shown[1][0]]))[0]
    assert across < 1.5 * inside.max()


def test_a_moving_segment_ends_like_the_still_one_after_it(bundle: Bundle, renderer: PreviewRenderer) -> None:
    tokens = [AppearanceEncoder(bundle).encode(scene(shift)) for shift in (0.0, 0.05)]
    moving = Segment(
        0, 2000, "colored blocks", Motion(CameraMotion(pan_x=0.05)), tokens[0], 0, still=False, cut=False
    )
    still = replace(moving, start_ms=2000, motion=Motion(), tokens=tokens[1], still=True, sequence=1)
    shown = [render_segment([moving, still], number, CAMERA, renderer, POLICY, 0) for number in range(2)]
    across = steps(np.stack([shown[0][-1], shown[1][0]]))[0]
    assert across < 1.5 * steps(shown[0]).max()


def test_one_step_moves_the_picture_too(renderer: PreviewRenderer, segment: Segment) -> None:
    moving = replace(segment, motion=Motion(CameraMotion(pan_x=0.2)), caption="a white box")
    frames = renderer.render(moving, NOBODY, CAMERA, replace(POLICY, steps=1), seed=0)
    assert displacement(frames) == pytest.approx(0.2, rel=0.5)


@pytest.mark.parametrize(
    ("words", "sign"), [("camera pans left quickly", 1), ("camera pans right quickly", -1)]
)
def test_the_caption_alone_moves_the_picture_its_way(
    renderer: PreviewRenderer, segment: Segment, words: str, sign: int
) -> None:
    told = replace(segment, motion=None, caption=f"a white box on a gray floor {words}")
    moved = displacement(renderer.render(told, NOBODY, CAMERA, POLICY, seed=0))
    assert moved == pytest.approx(sign * WORD_SPEED["quickly"], rel=0.4)


def test_tokens_of_another_grid_are_refused(renderer: PreviewRenderer, segment: Segment) -> None:
    foreign = replace(segment, tokens=np.zeros((4, 4, 4), np.uint8))
    with pytest.raises(RenderError, match="tokens have shape"):
        renderer.render(foreign, NOBODY, CAMERA, POLICY, seed=0)


def test_a_bundle_without_its_options_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    copy = tmp_path / "tiny"
    shutil.copytree(bundle.root, copy)
    text = (copy / "bundle.toml").read_text()
    (copy / "bundle.toml").write_text(text.replace("flow_scale", "flow_size"))
    with pytest.raises(BundleError, match="needs a number for flow_scale"):
        PreviewRenderer(Bundle.load(copy))


@pytest.mark.parametrize(
    ("option", "port"),
    [("frames", "noisy"), ("side", "noisy"), ("key_px", "keys"), ("words", "words")],
)
def test_a_denoiser_of_other_sizes_is_refused(bundle: Bundle, tmp_path: Path, option: str, port: str) -> None:
    copy = tmp_path / "tiny"
    shutil.copytree(bundle.root, copy)
    text = (copy / "bundle.toml").read_text()
    (copy / "bundle.toml").write_text(re.sub(rf"(?m)^{option} = \d+$", f"{option} = 16", text))
    with pytest.raises(BundleError, match=rf"flow_denoiser.onnx: {port} is .* but .*\[renderer.options\]"):
        PreviewRenderer(Bundle.load(copy))


def test_a_refiner_that_is_none_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    copy = tmp_path / "tiny"
    shutil.copytree(bundle.root, copy)
    text = (copy / "bundle.toml").read_text()
    named = text.replace("\ndenoiser =", '\nrefiner = "receiver/appearance_decoder.onnx"\ndenoiser =')
    (copy / "bundle.toml").write_text(named)
    with pytest.raises(BundleError, match=r"refiner .* needs a graph that turns 'seen', 'words' into"):
        PreviewRenderer(Bundle.load(copy))
