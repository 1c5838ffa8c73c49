"""What the attacker's decoder learns from: faces of footage, seen from nearer and farther, at every setting.

    frame --faces, as dlib sees them--> windows around each: any size, stretched, mirrored, recoloured
          --each of `taught`--> tokens --bundle's decoder--> crop around the face, and what it should be

There are few people in permissive footage. Stretched and recoloured they are others to an embedding, which is
that of the window, not of the person.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from cloud.render.keyframes import KeyframeDecoder
from edge.appearance import AppearanceEncoder
from edge.privacy.coarsen import coarsened
from edge.privacy.detectors import Boxes, CenterFace
from edge.privacy.masks import boxes_mask, filled
from edge.runtime import Runtime
from export.data import footage
from mirage.bench.privacy.embed import Faces, aligned
from mirage.bench.privacy.settings import Setting
from mirage.errors import InputError
from mirage.progress import steps_shown
from wire.bundle import AppearanceInfo, Bundle
from wire.policy import Sender
from wire.policy.presets import PRESETS

if TYPE_CHECKING:
    from export.train.restorer import Pairs

CAMERA_PX = 160  # short side of what the encoders' camera gives
_WINDOWS = 2  # around each face
_LOOSER = 1.6  # by how much CenterFace's boxes are larger than faces
_SHARES = (0.09, 0.3)  # of a window's height that a face is
_SHAPES = (0.75, 1.0, 4 / 3, 16 / 9)  # width of a window by its height
_STRETCH, _GAIN, _GAMMA = 1.2, 1.15, 1.3  # at most, either way
_SURE_PX = 120  # a side of faces in which dlib's detector looks whether they are any

Picture = NDArray[np.uint8]  # (H, W, 3)
Code = Callable[[NDArray[np.uint8]], NDArray[np.float32]]  # tokens (D, h, w) -> numbers (planes, h, w)


def taught(info: AppearanceInfo) -> tuple[Setting, ...]:
    """Give the settings at which faces are learned."""
    whole, coarse, private = info.planes, info.coarse_planes, PRESETS["private"].sender
    return (
        Setting("all", Sender(), whole),
        Setting("default", Sender(), info.default_planes),
        Setting("coarse", Sender(), coarse),
        Setting("private, faces kept", private, coarse),
        Setting("48 px", Sender(picture_px=48), whole),
        Setting("private", private, coarse, redacts=True),
        Setting("balanced", PRESETS["balanced"].sender, whole, redacts=True),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A part of a frame around a face; boxes (K, 4) of all faces and of that one, in shares of it."""

    rgb: Picture
    boxes: Boxes
    box: NDArray[np.float64]


class Teacher:
    """Makes pairs of windows."""

    def __init__(self, bundle: Bundle, info: AppearanceInfo, code: Code) -> None:
        self._encoder, self._decoder = AppearanceEncoder(bundle, Runtime(1)), KeyframeDecoder(bundle, 1)
        self._faces, self._code = Faces(), code
        self._settings = taught(info)
        self._chance = np.random.default_rng(0)
        self._made = dict[str, list[NDArray[np.generic]]]()

    def teach(self, window: Window) -> bool:
        """Take a window; false where its face is too small."""
        from export.train.restorer import CROP_PX, WORK_PX

        face = self._faces.at(window.rgb, window.box)
        if face is None:
            return False
        middle = (window.box[:2] + window.box[2:])[::-1] / 2
        corner = ((middle * WORK_PX - CROP_PX / 2) / 4).round().astype(np.int64) * 4
        corner = corner.clip(0, WORK_PX - CROP_PX)
        chip = aligned(window.rgb, face.landmarks) * (WORK_PX / CROP_PX)
        chip[:, 2] -= corner[::-1] / CROP_PX
        sent = [self._sent(window, each) for each in self._settings]
        decoded = [_crop(self._decoder.decode(each), corner) for each in sent]
        for name, value in (
            ("wanted", _crop(window.rgb, corner)),
            ("decoded", np.stack(decoded)),
            ("codes", np.stack([self._code(each) for each in sent])),
            ("corners", corner),
            ("chips", chip.astype(np.float32)),
            ("vectors", face.vectors(window.rgb)["dlib"]),
        ):
            self._made.setdefault(name, []).append(value)
        return True

    def pairs(self) -> "Pairs | None":
        """Give what was made of all windows; None for none."""
        from export.train.restorer import Pairs

        return Pairs(**{name: np.stack(each) for name, each in self._made.items()}) if self._made else None

    def _sent(self, window: Window, setting: Setting) -> NDArray[np.uint8]:
        rgb = window.rgb
        if setting.redacts:
            rgb = filled(rgb, boxes_mask(window.boxes, *rgb.shape[:2]))
        seen = footage.shrink(rgb, CAMERA_PX)
        return self._encoder.encode(coarsened(seen, setting.sender, self._chance))[: setting.planes]


def pairs(bundle: Bundle, info: AppearanceInfo, code: Code, frames: Iterable[Picture]) -> "Pairs":
    """Encode and decode faces of frames. Raises InputError where there are none."""
    teacher, finder, sure = Teacher(bundle, info, code), CenterFace(Runtime(1)), _Sure()
    chance = np.random.default_rng(0)
    with steps_shown("faces for the attack", None) as done:
        for frame in frames:
            boxes = finder.find(frame)
            for box in apart(boxes):
                if sure.is_face(frame, box):
                    for window in islice(windows(frame, boxes, box, chance), _WINDOWS):
                        teacher.teach(window)
                    done()
    made = teacher.pairs()
    if made is None:
        raise InputError("no face outside of the clips that are attacked, so nothing to train on")
    return made


def apart(boxes: Boxes) -> Iterator[NDArray[np.float64]]:
    """Give one box (4,) for each face, on which the detector puts several (N, 4) where it is sure."""
    left = boxes.astype(np.float64)
    while len(left):
        middles = (left[:, :2] + left[:, 2:]) / 2
        near = (np.abs(middles - middles[0]) < (left[0, 2:] - left[0, :2]) / 2).all(1)
        yield np.asarray(np.median(left[near], axis=0))
        left = left[~near]


def windows(
    frame: Picture, boxes: Boxes, box: NDArray[np.float64], chance: np.random.Generator
) -> Iterator[Window]:
    """Give parts of a frame around a face, without end."""
    size = np.array(frame.shape[1::-1])
    middle = (box[:2] + box[2:]) / 2 * size
    face = float(((box[2:] - box[:2]) * size).max()) / _LOOSER
    while True:
        height = face / np.exp(chance.uniform(*np.log(_SHARES)))
        shape = chance.choice(_SHAPES) * _STRETCH ** chance.uniform(-1, 1)
        part = np.minimum((height * shape, height), size).round().astype(int)
        least = np.clip(middle + face - part, 0, size - part)
        most = np.clip(middle - face, least, size - part)
        left, top = chance.uniform(least, most).round().astype(int)
        width, height = part
        rgb = _recoloured(frame[top : top + height, left : left + width], chance)
        at, scale = np.tile((left, top), 2) / np.tile(size, 2), np.tile(size / part, 2)
        yield _mirrored(Window(rgb, ((boxes - at) * scale).astype(np.float32), (box - at) * scale), chance)


def _mirrored(window: Window, chance: np.random.Generator) -> Window:
    if chance.random() < 0.5:
        return window

    def other(boxes: NDArray[np.floating]) -> NDArray[np.floating]:
        return np.stack((1 - boxes[..., 2], boxes[..., 1], 1 - boxes[..., 0], boxes[..., 3]), axis=-1)

    rgb = np.ascontiguousarray(window.rgb[:, ::-1])
    return Window(rgb, other(window.boxes).astype(np.float32), other(window.box).astype(np.float64))


def _recoloured(rgb: Picture, chance: np.random.Generator) -> Picture:
    gains = _GAIN ** chance.uniform(-1, 1, 3)
    bright = (rgb / 255) ** _GAMMA ** chance.uniform(-1, 1) * gains
    return np.asarray((bright * 255).round().clip(0, 255), np.uint8)


class _Sure:
    """dlib's detector looks again at what CenterFace found, which finds faces in prints, too."""

    def __init__(self) -> None:
        import dlib

        self._detector = dlib.get_frontal_face_detector()

    def is_face(self, frame: Picture, box: NDArray[np.float64]) -> bool:
        height, width = frame.shape[:2]
        left, top, right, bottom = (np.clip(box, 0, 1) * np.tile((width, height), 2)).round().astype(int)
        side = max(right - left, bottom - top) / _LOOSER
        if side < 1:
            return False
        scale = _SURE_PX / side
        part = cv2.resize(
            frame[top:bottom, left:right], None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC
        )
        return len(self._detector(np.ascontiguousarray(part), 0)) == 1


def _crop(picture: Picture, corner: NDArray[np.int64]) -> Picture:
    """Cut out of a picture what the restorer works at: (3, C, C)."""
    from export.train.restorer import CROP_PX, WORK_PX

    top, left = corner
    square = cv2.resize(picture, (WORK_PX, WORK_PX), interpolation=cv2.INTER_AREA)
    part = square[top : top + CROP_PX, left : left + CROP_PX]
    return np.asarray(part.transpose(2, 0, 1), np.uint8)
