"""How a segment moves: the camera as a similarity, and up to four objects against it.

    frames --dense flow of neighbours--> RANSAC similarity --composed--> pan, zoom, roll
                    |
                    '--grid of the middle frame, followed to both ends--> residual --> boxes

The middle frame is where objects are looked for: what enters or leaves is most likely there.
Deterministic: the random generator of OpenCV is seeded at every call.
"""

from dataclasses import dataclass
from itertools import pairwise
from math import atan2, degrees, log2

import cv2
import numpy as np
from numpy.typing import NDArray

from wire.motion import MAX_OBJECTS, CameraMotion, Motion, ObjectMotion

_WORK_PX = 160  # long side of the picture on which flow is measured
_GRID_PX = 4  # one followed point per so many pixels
_TEXTURE = 4e-4  # smallest eigenvalue of the structure tensor at which flow can be trusted
_RESTING_PX = 0.15  # flow below this is the noise of the method
_RESTING_SHARE = 0.35  # so many resting points: the camera rests, however large the thing that moves
_INLIER_PX = 0.8
_MIN_POINTS = 16
_LEVELS = 3  # grey levels by which a pixel must fit better to count
_BENEFIT = 1.5  # for what moves: a road to the horizon never fits a similarity well
_OBJECT_STEP = 0.03  # of the frame: smaller displacements of objects are not worth their bytes
_OBJECT_AREA = 0.004  # of the frame: smaller things are noise
_SCALES = (0.5, 2.0)  # scale per step; beyond, the fit went wrong
_LONGEST_STRETCH = 1.5

Matrix = NDArray[np.float64]  # (3, 3), maps points of one frame to another, in pixels
Points = NDArray[np.float64]  # (P, 2), x and y in pixels
Flow = NDArray[np.float32]  # (h, w, 2)


@dataclass(frozen=True, slots=True)
class _Tracks:
    """Grid points of the middle frame, seen at the first and at the last frame."""

    start: Points
    end: Points


def estimate_motion(
    frames: NDArray[np.uint8], times_ms: NDArray[np.int64], duration_ms: int | None = None
) -> Motion:
    """Measure the motion in frames (N, h, w, 3) taken at times_ms (N,).

    Displacements are from the first frame to the last, or, given `duration_ms`, over that time
    (the last sample is taken before the segment ends). An object's displacement is the one seen
    in the picture, camera motion included.
    """
    if len(frames) < 2:
        return Motion()
    cv2.setRNGSeed(0)
    grays = [_gray(frame) for frame in frames]
    steps, tracks = _measure(grays)
    total = np.eye(3)
    for step in steps:
        total = step @ total
    height, width = grays[0].shape
    stretch = _stretch(times_ms, duration_ms)
    camera = _camera(total, width, height, stretch)
    return Motion(camera, _objects(tracks, total, width, height, stretch))


def _gray(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    scale = min(_WORK_PX / max(rgb.shape[:2]), 1.0)
    size = (max(round(rgb.shape[1] * scale), 16), max(round(rgb.shape[0] * scale), 16))
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)


def _measure(grays: list[NDArray[np.uint8]]) -> tuple[list[Matrix], _Tracks]:
    """Camera steps between neighbours, and the middle frame's grid followed to both ends."""
    middle = len(grays) // 2
    grid = _grid(grays[0].shape)
    start, end = grid.copy(), grid.copy()
    steps = list[Matrix]()
    for index in range(middle, 0, -1):
        flow = _flow(grays[index], grays[index - 1])
        steps.insert(0, _inverse(_camera_step(grays[index], grays[index - 1], flow)))
        start += _at(flow, start)
    for before, after in pairwise(grays[middle:]):
        flow = _flow(before, after)
        steps.append(_camera_step(before, after, flow))
        end += _at(flow, end)
    return steps, _Tracks(start, end)


def _flow(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> Flow:
    method = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    # OpenCV takes no flow to start from here; its stubs want one.
    return np.asarray(method.calc(before, after, None), np.float32)  # type: ignore[call-overload, unused-ignore]


def _grid(shape: tuple[int, ...]) -> Points:
    ys, xs = np.mgrid[_GRID_PX // 2 : shape[0] : _GRID_PX, _GRID_PX // 2 : shape[1] : _GRID_PX]
    return np.stack([xs.ravel(), ys.ravel()], axis=1).astype(np.float64)


def _at(flow: Flow, points: Points) -> Points:
    """Flow (P, 2) at points, bilinear; outside the frame it is that of the border."""
    maps = points.astype(np.float32)
    sampled = cv2.remap(flow, maps[:, :1], maps[:, 1:], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(sampled, np.float64).reshape(-1, 2)


def _camera_step(gray: NDArray[np.uint8], after: NDArray[np.uint8], flow: Flow) -> Matrix:
    """Similarity that most textured points follow from this frame to the next."""
    points = _grid(gray.shape)
    texture = cv2.cornerMinEigenVal(gray, 5)
    columns, rows = points.astype(int).T
    points = points[texture[rows, columns] > _TEXTURE]
    if len(points) < _MIN_POINTS:
        return np.eye(3)
    moved = _at(flow, points)
    resting = np.hypot(moved[:, 0], moved[:, 1]) < _RESTING_PX
    if resting.mean() > _RESTING_SHARE:
        return np.eye(3)
    found, _ = cv2.estimateAffinePartial2D(
        points, points + moved, method=cv2.RANSAC, ransacReprojThreshold=_INLIER_PX, maxIters=300
    )
    if found is None or not _SCALES[0] < np.hypot(found[0, 0], found[1, 0]) < _SCALES[1]:
        return np.eye(3)
    step = np.vstack([found, [0.0, 0.0, 1.0]])
    return step if _explains(step, gray, after) else np.eye(3)


def _explains(step: Matrix, gray: NDArray[np.uint8], after: NDArray[np.uint8]) -> bool:
    """Whether more of the picture fits with the camera moving so than with the camera at rest."""
    height, width = gray.shape
    back = cv2.warpAffine(after, step[:2], (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    inside = cv2.warpAffine(
        np.full_like(after, 255), step[:2], (width, height), flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    )
    resting = cv2.absdiff(gray, after).astype(np.int16)
    moving = cv2.absdiff(gray, np.asarray(back, np.uint8)).astype(np.int16)
    seen = inside > 0
    better = np.count_nonzero(seen & (moving + _LEVELS < resting))
    worse = np.count_nonzero(seen & (resting + _LEVELS < moving))
    return bool(_BENEFIT * better > worse)


def _inverse(step: Matrix) -> Matrix:
    return np.asarray(np.linalg.inv(step), np.float64)


def _stretch(times_ms: NDArray[np.int64], duration_ms: int | None) -> float:
    span_ms = float(times_ms[-1] - times_ms[0])
    if duration_ms is None or span_ms <= 0:
        return 1.0
    return min(max(duration_ms / span_ms, 1.0), _LONGEST_STRETCH)


def _camera(total: Matrix, width: int, height: int, stretch: float) -> CameraMotion:
    centre = np.array([(width - 1) / 2, (height - 1) / 2, 1.0])
    shift = (total @ centre - centre) * stretch
    scale = float(np.hypot(total[0, 0], total[1, 0]))
    return CameraMotion(
        pan_x=float(shift[0]) / width,
        pan_y=float(shift[1]) / height,
        zoom=log2(scale) * stretch,
        roll=degrees(atan2(float(total[1, 0]), float(total[0, 0]))) * stretch,
    )


def _objects(
    tracks: _Tracks, total: Matrix, width: int, height: int, stretch: float
) -> tuple[ObjectMotion, ...]:
    """Boxes of neighbouring grid points that leave the camera's motion together, largest first."""
    size = np.array([width, height])
    expected = np.c_[tracks.start, np.ones(len(tracks.start))] @ total[:2].T
    residual = (tracks.end - expected) / size
    columns = len(range(_GRID_PX // 2, width, _GRID_PX))
    leaves = (np.hypot(residual[:, 0], residual[:, 1]) > _threshold(residual)).reshape(-1, columns)
    solid = cv2.morphologyEx(leaves.astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    count, labels = cv2.connectedComponents(solid, connectivity=4)
    found = list[ObjectMotion]()
    for label in range(1, count):
        members = (labels == label).ravel()
        if members.mean() >= _OBJECT_AREA:
            found.append(_box(tracks, members, size, stretch))
    found.sort(key=lambda item: item.width * item.height, reverse=True)
    return tuple(found[:MAX_OBJECTS])


def _threshold(residual: Points) -> float:
    """Displacement that stands out: depth and clumsy flow make everything leave a little."""
    return max(_OBJECT_STEP, 3.0 * float(np.median(np.hypot(residual[:, 0], residual[:, 1]))))


def _box(tracks: _Tracks, members: NDArray[np.bool_], size: NDArray[np.int_], stretch: float) -> ObjectMotion:
    start = tracks.start[members] / size
    moved = np.median(tracks.end[members] / size - start, axis=0) * stretch
    low, high = np.quantile(start, [0.05, 0.95], axis=0)
    extent = np.clip(high - low + _GRID_PX / size, 0, 1)
    centre = np.clip((low + high) / 2, 0, 1)
    return ObjectMotion(
        float(centre[0]),
        float(centre[1]),
        float(extent[0]),
        float(extent[1]),
        float(moved[0]),
        float(moved[1]),
    )
