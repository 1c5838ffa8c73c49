"""Captions: what they say of the camera, and how alike they are."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from mirage.bench.quality.system import Said
from mirage.bench.quality.words import camera_class, judge


@pytest.mark.parametrize(
    ("caption", "camera"),
    [
        ("a dog runs to the left", "static"),
        ("a red cup on a table nothing moves", "static"),
        ("a street camera pans left slowly", "pan-left"),
        ("a field camera tilts down quickly", "tilt-down"),
        ("the camera drives forward on a street", "forward"),
        ("trees camera moves backward slowly", "backward"),
        ("a mirror in the dark camera zooms out", "backward"),
        ("a man at a table camera handheld", "handheld"),
        ("a grey truck drives toward the camera and passes on the left", "static"),
        ("a table camera turns left slowly", "turn-left"),
    ],
)
def test_the_camera_class_is_read_from_words(caption: str, camera: str) -> None:
    assert camera_class(caption) == camera


class Letters:
    """Embeds a sentence as which of four words it holds."""

    def embed(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        vectors = np.array([[word in text for word in ("cat", "dog", "car", "sky")] for text in sentences])
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def test_captions_are_held_against_written_ones_and_against_those_of_other_clips() -> None:
    said = [
        Said("a", 0, 2, "cat", "cat", "cat", "static", "slow"),
        Said("a", 2, 4, "cat dog", "cat", "cat", "pan-left", "slow"),
        Said("b", 0, 2, "sky camera pans left", "car", "sky", "pan-left", "slow"),
        Said("b", 2, 4, "sky", "sky"),
    ]
    found = judge(said, Letters())
    assert found.captions == 3
    assert found.written is not None
    assert found.written.pairs.mean == pytest.approx((1 + 0.5**0.5 + 1) / 3)
    assert found.written.shuffled.mean == 0  # never with a caption of the same clip
    assert found.survives is not None
    assert found.survives.pairs.mean == pytest.approx((1 + 0.5**0.5 + 0 + 1) / 4)
    assert found.camera is not None
    assert found.camera.mean == pytest.approx(2 / 3)
    assert found.moving is not None
    assert found.moving.mean == pytest.approx(2 / 3)


def test_one_clip_alone_cannot_be_shuffled() -> None:
    found = judge([Said("a", 0, 2, "cat", "cat", "cat", "static", "slow")], Letters())
    assert found.written is None
    assert found.survives is None
