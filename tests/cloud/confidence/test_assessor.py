"""A clip is as sure as it is like what was received; what cannot be measured is unknown, and says why."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cloud.confidence.assessor import Assessment, Assessor, keyframe_of
from cloud.confidence.calibration import Calibration, calibration_of, path_of, written
from cloud.confidence.encoder import VectorEncoder
from cloud.render.clip import render_segment
from cloud.render.load import load_renderer
from cloud.render.renderer import Renderer
from tests.cloud.confidence.pictures import CAMERA, embedding_bundle, pictures, receiver_half, shown
from wire.bundle import Bundle, BundleError
from wire.policy import Policy
from wire.segment import Segment

RATE = Fraction(10)
Frames = NDArray[np.uint8]
SCALE = {
    "schema": 1,
    "renderer": "preview",
    "measure": "tokens-1",
    "typical": 0.9,
    "other": 0.5,
    "measured": {},
}


@pytest.fixture(scope="module")
def bundle(tiny: Path) -> Bundle:
    return Bundle.load(tiny, "cloud")


@pytest.fixture(scope="module")
def renderer(bundle: Bundle) -> Renderer:
    return load_renderer(bundle, 1)


@pytest.fixture(scope="module")
def scenes(bundle: Bundle, tiny: Path) -> list[Segment]:
    return [shown(bundle, picture, number) for number, picture in enumerate(pictures(tiny))]


@pytest.fixture
def render(renderer: Renderer) -> Callable[[Segment], Frames]:
    return lambda segment: render_segment([segment], 0, CAMERA, renderer, Policy(), 0)


def test_the_shipped_renderer_shows_what_it_was_told(
    bundle: Bundle, scenes: list[Segment], render: Callable[[Segment], Frames]
) -> None:
    for scene in scenes:
        found = Assessor().assess(bundle, scene, render(scene), RATE)
        assert found.score is not None
        assert found.score > 0.9
        assert (found.measure, found.at_ms, found.why) == ("tokens-1", 1000, None)
        assert len(found.planes) == 24


def test_the_picture_of_another_scene_is_doubtful(
    bundle: Bundle, scenes: list[Segment], render: Callable[[Segment], Frames]
) -> None:
    for scene, other in pairwise(scenes):
        found = Assessor().assess(bundle, scene, render(other), RATE)
        assert found.score is not None
        assert found.score < 0.5


def test_only_the_frame_at_the_time_of_the_keyframe_is_looked_at(
    bundle: Bundle, scenes: list[Segment], render: Callable[[Segment], Frames]
) -> None:
    frames = np.zeros((20, 256, 256, 3), np.uint8)
    frames[10] = render(scenes[0])[10]
    found = Assessor().assess(bundle, scenes[0], frames, RATE)
    assert found.score is not None
    assert found.score > 0.9


@pytest.mark.parametrize(("at_ms", "place"), [(0, 0), (1000, 10), (1049, 10), (1951, 19), (2000, 19)])
def test_the_keyframe_is_a_frame_of_the_clip(at_ms: int, place: int) -> None:
    segment = Segment(4000, 2000, None, None, None, at_ms, still=False, cut=False)
    assert keyframe_of(segment, RATE, 20) == place


def test_what_was_not_received_is_unknown(bundle: Bundle, scenes: list[Segment]) -> None:
    frames = np.zeros((20, 64, 64, 3), np.uint8)
    nothing = Assessor().assess(bundle, replace(scenes[0], tokens=None), frames, RATE)
    unsent = Assessor().assess(
        bundle, replace(scenes[0], tokens=np.full((24, 8, 8), 255, np.uint8)), frames, RATE
    )
    assert nothing == unsent == Assessment(None, "no code of what the keyframe looks like was received")


def test_a_bundle_with_an_embedding_only_is_compared_by_that(tmp_path: Path) -> None:
    bundle = embedding_bundle(tmp_path)
    red, green = (
        np.broadcast_to(np.array(colour, np.uint8), (20, 36, 64, 3)) for colour in ((250, 9, 9), (9, 250, 9))
    )
    received = Segment(
        0, 2000, None, None, None, 1000, still=False, cut=True, vector=VectorEncoder(bundle).encode(red[0])
    )
    same, other = (Assessor().assess(bundle, received, frames, RATE) for frames in (red, green))
    assert (same.measure, same.likeness, same.planes) == ("vector-1", 1.0, ())
    assert other.likeness is not None
    assert other.likeness < 0.5
    assert Assessor().assess(bundle, replace(received, vector=None), red, RATE).likeness is None


def test_without_the_senders_half_it_is_unknown(
    tiny: Path, tmp_path: Path, scenes: list[Segment], render: Callable[[Segment], Frames]
) -> None:
    half = receiver_half(tiny, tmp_path / "half")
    found = Assessor().assess(half, scenes[0], render(scenes[0]), RATE)
    assert found == Assessment(None, "the sender's encoder of this bundle is not here")


def test_without_a_calibration_only_the_likeness_is_known(
    tiny: Path, tmp_path: Path, scenes: list[Segment], render: Callable[[Segment], Frames]
) -> None:
    copy = receiver_half(tiny, tmp_path / "copy")
    (copy.root / "sender").symlink_to(tiny / "sender")
    path_of(copy).unlink(missing_ok=True)
    found = Assessor().assess(copy, scenes[0], render(scenes[0]), RATE)
    assert found.score is None
    assert "not calibrated" in str(found.why)
    assert found.likeness is not None
    assert found.stated["why"] == found.why


def test_a_score_is_0_at_other_scenes_and_1_at_what_is_typical() -> None:
    scale = Calibration(bundle="0" * 64, **SCALE)  # type: ignore[arg-type]
    assert [scale.score(value) for value in (0.3, 0.5, 0.7, 0.9, 1.0)] == [0, 0, 0.5, 1, 1]


def test_the_shipped_bundle_is_calibrated(bundle: Bundle) -> None:
    scale = calibration_of(bundle)
    assert 0.9 < scale.typical <= 1
    assert 0.3 < scale.other < 0.6


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"bundle": "0" * 64}, "measured with bundle 0000000000000000"),
        ({"measure": "vector-1"}, "measured as vector-1"),
        ({"other": 0.95}, "is not below typical"),
        ({"typical": 2.0}, "typical"),
        ({"measure": "guess"}, "measure"),
    ],
)
def test_a_calibration_of_something_else_is_refused(
    tiny: Path, tmp_path: Path, change: dict[str, object], why: str
) -> None:
    half = receiver_half(tiny, tmp_path / "half")
    good = Calibration(bundle=half.sha256, **SCALE)  # type: ignore[arg-type]
    path_of(half).write_bytes(written(good))
    assert calibration_of(half) == good
    text = written(good).decode()
    for name, value in change.items():
        lines = [f"{name} = {value!r}".replace("'", '"') if line.startswith(f"{name} =") else line
                 for line in text.splitlines()]  # fmt: skip
        path_of(half).write_text("\n".join(lines))
    with pytest.raises(BundleError, match=why):
        calibration_of(half)


def test_the_calibration_is_no_part_of_the_bundle(tiny: Path, tmp_path: Path) -> None:
    half = receiver_half(tiny, tmp_path / "half")
    path_of(half).write_bytes(b"anything")
    assert Bundle.load(half.root, "cloud").sha256 == half.sha256
