"""Motion of results, measured by dense optical flow (DIS; Kroeger et al., ECCV 2016).

Two questions: does a result move as its source does, and does it move as it was told to?
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]  # (T, H, W, 3)
Flow = NDArray[np.float32]  # (H, W, 2), pixels to the right and down
Points = NDArray[np.float64]  # (P, 2)

MOVES_PX = 1.0  # in a step, of pictures with 256 pixels on the long side: less is noise
ANGLE_DEGREES = 22.5
FASTEST = 2.0  # times as fast, or as slow, still agrees
_MOVING_SHARE = 0.005  # of all pixels of all steps; below, a clip counts as still
_GRID_PX = 6
_TEXTURE = 1e-4  # smallest eigenvalue of the structure tensor at which flow can be trusted


@dataclass(frozen=True, slots=True)
class Agreement:
    """How the motion of a result fits that of its source, over all pixels and steps where that moves.

    agreement   share of them that move within 22.5 degrees of the source, at half to twice its speed
    direction   share of them that move within 22.5 degrees, however fast (0.1 pixels at least)
    speed       length of all their motion in the result / in the source; 1 is right
    moving      share of all pixels and steps where the source moves at all
    """

    agreement: float
    direction: float
    speed: float
    moving: float


def agreement(made: list[Flow], wanted: list[Flow]) -> Agreement | None:
    """Compare the flows of a result with its source's, step by step; None where the source hardly moves."""
    moving = hit = aimed = total = 0
    made_length = wanted_length = 0.0
    for ours, theirs in zip(made, wanted, strict=True):
        length, goal = np.hypot(ours[..., 0], ours[..., 1]), np.hypot(theirs[..., 0], theirs[..., 1])
        moves = goal > MOVES_PX
        aligned = (ours * theirs).sum(-1) >= np.cos(np.radians(ANGLE_DEGREES)) * length * goal
        right = moves & aligned & (length > 0.1)
        fast = (length <= FASTEST * goal) & (length * FASTEST >= goal)
        moving, total = moving + int(moves.sum()), total + moves.size
        aimed, hit = aimed + int(right.sum()), hit + int((right & fast).sum())
        made_length += float(length[moves].sum())
        wanted_length += float(goal[moves].sum())
    if total == 0 or moving < _MOVING_SHARE * total:
        return None
    return Agreement(hit / moving, aimed / moving, made_length / wanted_length, moving / total)


def flows(frames: Frames, step: int) -> list[Flow]:
    """Flow from each `step`-th frame to the one `step` later."""
    return list(_flows(frames[::step]))


def _flows(frames: Frames) -> Iterator[Flow]:
    method = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    for before, after in pairwise(_gray(frames)):
        # OpenCV takes no flow to start from here; its stubs want one.
        yield np.asarray(method.calc(before, after, None), np.float32)  # type: ignore[call-overload, unused-ignore]


@dataclass(frozen=True, slots=True)
class Drift:
    """How content went from the first frame to the last: fractions of the frame, octaves."""

    right: float
    down: float
    zoom: float
    farthest: float  # how far the 95th of 100 points went


def drift(frames: Frames, inside: NDArray[np.bool_] | None = None) -> Drift:
    """Follow textured points of the first frame to the last, those of the mask `inside` (H, W) only.

    right, down: the median way, in the middle half of the frame unless a mask says where.
    zoom: log2 of the median growth of distances from the points' centre.
    """
    height, width = frames.shape[1:3]
    start = _points(_gray(frames[:1])[0], _middle(height, width) if inside is None else inside)
    points = start.copy()
    for flow in _flows(frames):
        points = points + _at(flow, points)
    way = (points - start) / (width, height)
    right, down = np.median(way, axis=0)
    away = np.hypot(*(start - start.mean(0)).T)
    grown = np.hypot(*(points - points.mean(0)).T)
    far = away > np.median(away)
    zoom = float(np.log2(np.median(grown[far] / away[far]))) if far.any() else 0.0
    return Drift(float(right), float(down), zoom, float(np.quantile(np.hypot(*way.T), 0.95)))


def _points(gray: NDArray[np.uint8], inside: NDArray[np.bool_]) -> Points:
    """Points of a grid where flow can be trusted; all of them where there is no texture at all."""
    rows, columns = np.mgrid[
        _GRID_PX // 2 : gray.shape[0] : _GRID_PX, _GRID_PX // 2 : gray.shape[1] : _GRID_PX
    ]
    points = np.stack([columns.ravel(), rows.ravel()], axis=1)
    points = points[inside[points[:, 1], points[:, 0]]]
    if not len(points):
        rows, columns = np.nonzero(inside)
        points = np.stack([columns, rows], axis=1)
    textured = cv2.cornerMinEigenVal(gray, 7)[points[:, 1], points[:, 0]] > _TEXTURE
    return (points[textured] if textured.sum() >= 8 else points).astype(np.float64)


def _middle(height: int, width: int) -> NDArray[np.bool_]:
    inside = np.zeros((height, width), np.bool_)
    inside[height // 4 : height - height // 4, width // 4 : width - width // 4] = True
    return inside


def _at(flow: Flow, points: Points) -> Points:
    maps = points.astype(np.float32)
    sampled = cv2.remap(flow, maps[:, :1], maps[:, 1:], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(sampled, np.float64).reshape(-1, 2)


def _gray(frames: Frames) -> list[NDArray[np.uint8]]:
    return [np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), np.uint8) for frame in frames]
