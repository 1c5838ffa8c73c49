"""What moves by itself: grid points of the middle frame that leave the camera's motion together.

    first frame <--follow-- .. <--follow-- middle frame --follow--> .. --follow--> last frame
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
_MOSTLY = 0.6  # of the frames in which a point has left must look as if it had
_PATCH = 2  # radius in pixels of what is looked at

Gray = NDArray[np.uint8]  # (h, w)
Matrix = NDArray[np.float64]  # (3, 3), maps points of one frame to another, in pixels
Floats = NDArray[np.float64]
Points = NDArray[np.float64]  # (P, 2), x and y in pixels
Mask = NDArray[np.bool_]  # (P,)


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Where points of the middle frame are in another one, and the camera's part in it."""

    gray: Gray  # that frame
    points: Points
    camera: Matrix


@dataclass(frozen=True, slots=True, eq=False)
class Tracks:
    """The middle frame's grid, followed to all frames of a segment that is told in `legs` legs."""

    gray: Gray  # the middle frame
    places: tuple[Place, ...]  # one for each frame
    times: Floats  # (frames,) from 0, in shares of the segment; the last frame may be taken before its end
    legs: int

    def at_rest(self) -> "Tracks":
        """Give the same tracks before a camera that rests."""
        places = tuple(Place(place.gray, place.points, np.eye(3)) for place in self.places)
        return Tracks(self.gray, places, self.times, self.legs)

    def at_knots(self, values: Floats) -> Floats:
        """Interpolate values (frames, ...) at start, knots and end: (legs + 1, ...).

        The way from the last knot to the last frame goes on to the end; half of the leg should be seen.
        """
        knots = np.linspace(0, 1, self.legs + 1)
        place = np.interp(knots, self.times, np.arange(len(self.times)))
        before = np.minimum(place.astype(int), len(values) - 2)
        share = (place - before).reshape(-1, *[1] * (values.ndim - 1))
        made = values[before] * (1 - share) + values[before + 1] * share
        reach = (1 - knots[-2]) / max(self.times[-1] - knots[-2], 0.5 / self.legs)
        made[-1] = made[-2] + (values[-1] - made[-2]) * reach
        return np.asarray(made, np.float64)


def grid(shape: tuple[int, ...]) -> Points:
    """Spread points evenly over a frame (h, w), row by row."""
    ys, xs = np.mgrid[GRID_PX // 2 : shape[0] : GRID_PX, GRID_PX // 2 : shape[1] : GRID_PX]
    return np.stack([xs.ravel(), ys.ravel()], axis=1).astype(np.float64)


def find_objects(tracks: Tracks) -> tuple[ObjectMotion, ...]:
    """Box what leaves the camera's motion, largest first."""
    height, width = tracks.gray.shape
    size = np.array([width, height], np.float64)
    middle = grid(tracks.gray.shape)
    left = np.stack([place.points - _apply(place.camera, middle) for place in tracks.places])
    ways = tracks.at_knots(left / size)
    strayed = ways.max(axis=0) - ways.min(axis=0)
    residual = np.hypot(*strayed.T)
    # Depth and clumsy flow make everything leave a little.
    leaves = residual > max(_STEP, 3.0 * float(np.median(residual)))
    leaves &= _look_followed(tracks, middle, left)
    columns = len(range(GRID_PX // 2, width, GRID_PX))
    mask = leaves.reshape(-1, columns).astype(np.uint8)
    solid = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    count, labels = cv2.connectedComponents(solid, connectivity=4)
    groups = [(labels == label).ravel() for label in range(1, count)]
    found = [_box(tracks, middle, group, residual) for group in groups if group.mean() >= _AREA]
    found.sort(key=lambda item: item.width * item.height, reverse=True)
    return tuple(found[:MAX_OBJECTS])


def _apply(camera: Matrix, points: Points) -> Points:
    return np.asarray(points @ camera[:2, :2].T + camera[:2, 2], np.float64)


def _look_followed(tracks: Tracks, middle: Points, left: Floats) -> Mask:
    """Whether frames show the same things at the followed places rather than where the camera moved them."""
    seen = _patches(tracks.gray, middle)
    told, apart = np.zeros(len(middle)), np.zeros(len(middle))
    for place, away in zip(tracks.places, left, strict=True):
        gone = np.hypot(*away.T) >= _LEAVES_PX
        followed = np.abs(_patches(place.gray, place.points) - seen).mean(axis=1)
        carried = np.abs(_patches(place.gray, place.points - away) - seen).mean(axis=1)
        told, apart = told + (gone & (followed < carried)), apart + gone
    return np.asarray(told >= _MOSTLY * apart, np.bool_)


def _patches(gray: Gray, points: Points) -> NDArray[np.float32]:
    """Cut out (P, patch pixels) around points; beyond the frame its border is repeated."""
    ys, xs = np.mgrid[-_PATCH : _PATCH + 1, -_PATCH : _PATCH + 1]
    x = (points[:, :1] + xs.ravel()).astype(np.float32)
    y = (points[:, 1:] + ys.ravel()).astype(np.float32)
    cut = cv2.remap(gray, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cut, np.float32)


def _box(tracks: Tracks, middle: Points, group: Mask, residual: Floats) -> ObjectMotion:
    """Box a group; it moves as that half of its points do which leave most, the others are dragged along."""
    height, width = tracks.gray.shape
    size = np.array([width, height], np.float64)
    own = group & (residual >= np.median(residual[group]))
    moved = np.stack([np.median(place.points[own] - middle[own], axis=0) for place in tracks.places])
    low, high = middle[group].min(axis=0), middle[group].max(axis=0)
    x, y = np.clip(((low + high) / 2 + moved[0]) / size, 0, 1)
    wide, tall = np.clip((high - low + GRID_PX) / size, 0, 1)
    way = tracks.at_knots((moved - moved[0]) / size)
    *via, (dx, dy) = [(float(across), float(down)) for across, down in way[1:]]
    return ObjectMotion(float(x), float(y), float(wide), float(tall), dx, dy, tuple(via))
