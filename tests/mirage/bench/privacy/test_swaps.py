"""No code depends on what is under the boxes of faces, and a redaction that leaks is caught."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.appearance import AppearanceEncoder
from edge.privacy.detectors import NONE, Boxes
from edge.privacy.masks import boxes_mask
from edge.runtime import Runtime
from mirage.bench.privacy.gates import gates
from mirage.bench.privacy.people import Appearance, Picture, Sight
from mirage.bench.privacy.run import Measured
from mirage.bench.privacy.swaps import Encode, Redact, filled, swapped
from tests.mirage.bench.quality.pictures import texture
from wire.bundle import Bundle

BOXES: Boxes = np.array([[0.3, 0.1, 0.7, 0.5], [0.32, 0.12, 0.72, 0.52]], np.float32)


def sights(people: int = 4) -> list[Sight]:
    """Give people with textures for faces, before one wall."""
    found = []
    for number in range(people):
        picture = texture(99, side=320).copy()
        picture[32:166, 96:230] = texture(number, side=160)[:134, :134]
        where = Appearance(Path(f"{number}.mp4"), 0, 1, (0.0, 0.0, 1.0, 1.0), f"person-{number}", "room")
        small = np.asarray(cv2.resize(picture, (160, 160)), np.uint8)
        found.append(Sight(where, number == 0, picture, small, small))
    return found


def find(_picture: Picture) -> Boxes:
    return BOXES


@pytest.fixture(scope="module")
def encode(tiny: Path) -> Encode:
    return AppearanceEncoder(Bundle.load(tiny), Runtime(1)).encode


def under(picture: Picture, boxes: Boxes, change: Callable[[Picture], NDArray[np.uint8]]) -> Picture:
    return np.where(boxes_mask(boxes, *picture.shape[:2])[..., None], change(picture), picture)


def blurred(picture: Picture, boxes: Boxes) -> Picture:
    return under(picture, boxes, lambda each: np.asarray(cv2.GaussianBlur(each, (0, 0), 15), np.uint8))


def averaged(picture: Picture, boxes: Boxes) -> Picture:
    part = picture[boxes_mask(boxes, *picture.shape[:2])]
    return under(picture, boxes, lambda each: np.full_like(each, part.mean(0).astype(np.uint8)))


def test_a_filled_face_leaves_no_bit_in_the_code(encode: Encode) -> None:
    found = swapped(sights(), find, encode)
    assert (found.differing, found.shown, found.count, found.faces) == (0, 8, 8, 4)
    assert [gate.ok for gate in gates(Measured(swaps=found))] == [True, True]


@pytest.mark.parametrize("redact", [blurred, averaged])
def test_a_redaction_that_leaves_something_is_caught(encode: Encode, redact: Redact) -> None:
    found = swapped(sights(), find, encode, redact)
    assert found.differing > 0
    assert [gate.ok for gate in gates(Measured(swaps=found))] == [False, True]


def test_a_comparison_that_cannot_tell_is_a_missed_gate() -> None:
    found = swapped(sights(), find, lambda _picture: np.zeros((1, 8, 8), np.uint8))
    assert (found.differing, found.shown) == (0, 0)
    assert [gate.ok for gate in gates(Measured(swaps=found))] == [True, False]


def test_who_has_no_box_is_left_out(encode: Encode) -> None:
    everybody = sights()
    hidden = everybody[0].source
    found = swapped(everybody, lambda picture: NONE if picture is hidden else BOXES, encode)
    assert (found.faces, found.count) == (3, 6)


def test_what_is_outside_of_boxes_stays(encode: Encode) -> None:
    shown = list[Picture]()

    def watched(picture: Picture, boxes: Boxes) -> Picture:
        shown.append(picture)
        return filled(picture, boxes)

    swapped(sights(2), find, encode, watched)
    outside = ~boxes_mask(BOXES, 320, 320)
    original, face, noise = shown[:3]
    assert np.array_equal(original[outside], face[outside])
    assert np.array_equal(original[outside], noise[outside])
    assert (original[~outside] != face[~outside]).mean() > 0.5
