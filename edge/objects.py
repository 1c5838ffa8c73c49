"""What moves by itself: grid points of the middle frame that leave the camera's motion together.

    first frame <--follow-- middle frame --follow--> last frame
                            grid points

Points that something passes over are dragged along by dense flow. They are told from what passes by
looking: a thing looks the same where it is followed to, dragged background does not.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from wire.motion import MAX_OBJECTS, ObjectMotion

GRID_PX = 4  # one followed point per so many pixels
_STEP = 0.05  # of the frame: smaller displacements are not worth their bytes
_AREA = 0.01  # of the frame: what is smaller is noise, or too small for a renderer
_LEAVES_PX = 1.5  # less is no sign of leaving in one half of the segment
_PATCH = 2  # radius in pixels of what is looked at

Gray = NDArray[np.uint8]  # (h, w)
Matrix = NDArray[np.float64]  # (3, 3), maps points of one frame to another, in pixels
Points = NDArray[np.float64]  # (P, 2), x and y in pixels
Mask = NDArray[np.bool_]  # (P,)


@dataclass(frozen=True, slots=True, eq=False)
class Half:
    """The way from the middle frame to one end: where points went, and the camera's part in it."""

    gray: Gray  # the frame at that end
    points: Points
    camera: Matrix


@dataclass(frozen=True, slots=True, eq=False)
class Tracks:
    """The middle frame's grid, followed to both ends of the segment."""

    gray: Gray  # the middle frame
    start: Half
    end: Half

    def at_rest(self) -> "Tracks":
        """Give the same tracks before a camera that rests."""
        return Tracks(
            self.gray, *(Half(half.gray, half.points, np.eye(3)) for half in (self.start, self.end))
        )


def grid(shape: tuple[int, ...]) -> Points:
    """Spread points evenly over a frame (h, w), row by row."""
    ys, xs = np.mgrid[GRID_PX // 2 : shape[0] : GRID_PX, GRID_PX // 2 : shape[1] : GRID_PX]
    return np.stack([xs.ravel(), ys.ravel()], axis=1).astype(np.float64)


def find_objects(tracks: Tracks, stretch: float) -> tuple[ObjectMotion, ...]:
    """Box what leaves the camera's motion, largest first; displacements are multiplied by `stretch`."""
    height, width = tracks.gray.shape
    size = np.array([width, height], np.float64)
    middle = grid(tracks.gray.shape)
    left = [half.points - _apply(half.camera, middle) for half in (tracks.end, tracks.start)]
    residual = np.hypot(*((left[0] - left[1]) / size).T)
    # Depth and clumsy flow make everything leave a little.
    leaves = residual > max(_STEP, 3.0 * float(np.median(residual)))
    for half, away in zip((tracks.end, tracks.start), left, strict=True):
        leaves &= (np.hypot(*away.T) < _LEAVES_PX) | _looks_followed(tracks.gray, half, middle, away)
    columns = len(range(GRID_PX // 2, width, GRID_PX))
    mask = leaves.reshape(-1, columns).astype(np.uint8)
    solid = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    count, labels = cv2.connectedComponents(solid, connectivity=4)
    groups = [(labels == label).ravel() for label in range(1, count)]
    found = [_box(tracks, middle, group, stretch) for group in groups if group.mean() >= _AREA]
    found.sort(key=lambda item: item.width * item.height, reverse=True)
    return tuple(found[:MAX_OBJECTS])


def _apply(camera: Matrix, points: Points) -> Points:
    return np.asarray(points @ camera[:2, :2].T + camera[:2, 2], np.float64)


def _looks_followed(gray: Gray, half: Half, middle: Points, away: Points) -> Mask:
    """Whether the end shows the same thing at the followed place rather than where the camera moved it."""
    seen = _patches(gray, middle)
    followed = np.abs(_patches(half.gray, half.points) - seen).mean(axis=1)
    carried = np.abs(_patches(half.gray, half.points - away) - seen).mean(axis=1)
    return np.asarray(followed < carried, np.bool_)


def _patches(gray: Gray, points: Points) -> NDArray[np.float32]:
    """Cut out (P, patch pixels) around points; beyond the frame its border is repeated."""
    ys, xs = np.mgrid[-_PATCH : _PATCH + 1, -_PATCH : _PATCH + 1]
    x = (points[:, :1] + xs.ravel()).astype(np.float32)
    y = (points[:, 1:] + ys.ravel()).astype(np.float32)
    cut = cv2.remap(gray, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cut, np.float32)


def _box(tracks: Tracks, middle: Points, group: Mask, stretch: float) -> ObjectMotion:
    height, width = tracks.gray.shape
    size = np.array([width, height], np.float64)
    before = np.median(tracks.start.points[group] - middle[group], axis=0)
    after = np.median(tracks.end.points[group] - middle[group], axis=0)
    low, high = middle[group].min(axis=0), middle[group].max(axis=0)
    x, y = np.clip(((low + high) / 2 + before) / size, 0, 1)
    wide, tall = np.clip((high - low + GRID_PX) / size, 0, 1)
    dx, dy = (after - before) / size * stretch
    return ObjectMotion(float(x), float(y), float(wide), float(tall), float(dx), float(dy))
