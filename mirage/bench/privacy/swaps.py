"""Whether any bit of a code depends on a face that was found: another is put under the boxes of the first.

    source --found once--> boxes --------------.
      |-- as it is --------------------------> filled --> code --.
      |-- another person's face there -------> filled --> code --+-- the same?
      '-- noise under all boxes -------------> filled --> code --'

With nothing filled the codes must differ: else the comparison could not tell.
"""

from collections.abc import Callable, Iterator, Sequence

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.capture import shrink
from edge.frame import Frame
from edge.privacy.detectors import Boxes
from edge.privacy.masks import boxes_mask
from edge.privacy.redactor import Redactor
from mirage.bench.privacy.embed import commonest
from mirage.bench.privacy.people import Picture, Sight

Find = Callable[[Picture], Boxes]
Redact = Callable[[Picture, Boxes], Picture]
Encode = Callable[[Picture], NDArray[np.uint8]]  # (H, W, 3) -> tokens (D, h, w)


class Swapped(msgspec.Struct, frozen=True):
    """How many codes changed with what is under the boxes, of `count`: two for each of `faces`.

    differing   with the boxes filled: 0 where nothing of a face reaches a code
    shown       with nothing filled
    """

    differing: int
    shown: int
    count: int
    faces: int


def filled(picture: Picture, boxes: Boxes) -> Picture:
    """Fill boxes as a camera does."""
    (frame,) = Redactor().push(Frame(0, picture), boxes, (), ahead=0)
    return frame.rgb


def swapped(sights: Sequence[Sight], find: Find, encode: Encode, redact: Redact = filled) -> Swapped:
    """Exchange the face of each person for that of another, and for noise; one without a box is left out."""
    found = [(sight, boxes) for sight in sights if len(boxes := find(sight.source))]
    faces = [
        (sight, boxes, box)
        for sight, boxes in found
        if (box := commonest(boxes, sight.appearance)) is not None
    ]
    differing, shown, count = 0, 0, 0
    chance = np.random.default_rng(0)
    for place, (sight, boxes, box) in enumerate(faces):
        others = [(other, at) for other, _, at in faces[place + 1 :] + faces[:place] if _differ(other, sight)]
        if not others:
            raise ValueError(
                f"{sight.appearance.person} is the only one with a face: there is none to exchange"
            )
        other, at = others[0]
        px = min(sight.camera.shape[:2])
        hidden, plain = (
            encode(_seen(picture, px)) for picture in (redact(sight.source, boxes), sight.source)
        )
        for made in _replaced(sight.source, boxes, box, part(other.source, at), chance):
            differing += bool((encode(_seen(redact(made, boxes), px)) != hidden).any())
            shown += bool((encode(_seen(made, px)) != plain).any())
            count += 1
    return Swapped(differing, shown, count, len(faces))


def _differ(one: Sight, other: Sight) -> bool:
    return one.appearance.person != other.appearance.person


def _replaced(
    picture: Picture, boxes: Boxes, box: NDArray[np.float64], face: Picture, chance: np.random.Generator
) -> Iterator[Picture]:
    """Give a picture with `face` in `box`, and with noise in all boxes; what is outside of them stays."""
    under = boxes_mask(boxes, *picture.shape[:2])[..., None]
    yield np.where(under, with_face(picture, box, face), picture)
    yield np.where(under, chance.integers(0, 256, picture.shape, np.uint8), picture)


def with_face(picture: Picture, box: NDArray[np.float64], face: Picture) -> Picture:
    """Give a picture with a face in a box (4,) of shares."""
    left, top, right, bottom = _corners(picture, box)
    made = picture.copy()
    made[top:bottom, left:right] = cv2.resize(
        face, (right - left, bottom - top), interpolation=cv2.INTER_AREA
    )
    return made


def part(picture: Picture, box: NDArray[np.float64]) -> Picture:
    """Cut a box (4,) of shares out."""
    left, top, right, bottom = _corners(picture, box)
    return picture[top:bottom, left:right]


def _corners(picture: Picture, box: NDArray[np.float64]) -> tuple[int, ...]:
    """Give left, top, right and bottom in pixels, at least one apart."""
    height, width = picture.shape[:2]
    left, top, right, bottom = (
        int(np.clip(round(float(share) * side), 0, side))
        for share, side in zip(box, (width, height) * 2, strict=True)
    )
    return min(left, width - 1), min(top, height - 1), max(right, left + 1), max(bottom, top + 1)


def _seen(picture: Picture, px: int) -> Picture:
    """Shrink as a camera does after redaction."""
    return shrink(np.ascontiguousarray(picture[..., ::-1]), px)
