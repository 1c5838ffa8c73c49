"""How a segment moves: the camera as a similarity, and up to four objects against it.

    frames --dense flow of neighbours--> RANSAC similarity --composed--> pan, zoom, roll at each knot
                    |
                    '--grid of the middle frame, followed to all frames--> residual --> boxes

The middle frame is where objects are looked for: what enters or leaves is most likely there.
Deterministic: the random generator of OpenCV is seeded at every call.
"""

from itertools import pairwise
from math import atan2, degrees, log2

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.objects import Floats, Gray, Matrix, Place, Points, Tracks, find_objects, grid
from wire.motion import CameraMotion, Motion
from wire.ways import LEGS

_LEG_MS = 375  # no leg is shorter, and on average none has less than two steps
_WORK_PX = 160  # long side of the picture on which flow is measured
_TEXTURE = 4e-4  # smallest eigenvalue of the structure tensor at which flow can be trusted
_RESTING_PX = 0.15  # flow below this is the noise of the method
_RESTING_SHARE = 0.35  # so many resting points: the camera rests, however large the thing that moves
_INLIER_PX = 0.8
_MIN_POINTS = 16
_LEVELS = 3  # grey levels by which a pixel must fit better to count
_BENEFIT = 1.5  # for what moves: a road to the horizon never fits a similarity well
_SCALES = (0.5, 2.0)  # scale per step; beyond, the fit went wrong
_LONGEST = 1.5  # times what is seen
# A camera that moves does so most of the time. What drifts less, or in fewer steps, rests: its flow is that
# of what moves before it. Chosen on segments that people have described (tests/edge/test_footage.py).
_SHARE, _RESTING = 0.7, CameraMotion(0.04, 0.04, 0.05, 4.0)
_SLOW_SHARE, _SLOW = 0.8, CameraMotion(0.02, 0.02, 0.05, 3.0)
_STRIDE = 4  # samples, half a second
_STRIDE_SHARE, _STRIDE_RESTING = 0.75, CameraMotion(0.03, 0.03, 0.04, 3.0)

Flow = NDArray[np.float32]  # (h, w, 2)


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
    told_ms = _told_ms(times_ms, duration_ms)
    times = np.asarray((times_ms - times_ms[0]) / told_ms, np.float64)
    tracks, share = _follow(grays, times, _legs(times, told_ms))
    camera = _camera(tracks)
    if not _drifts(camera[-1], share, _SLOW_SHARE, _SLOW) and not _drifts(
        camera[-1], share, _SHARE, _RESTING
    ):
        tracks = tracks.at_rest()
        camera = _slow_camera(grays, times)
    return Motion(camera[-1], find_objects(tracks), camera[:-1])


def _slow_camera(grays: list[Gray], times: Floats) -> tuple[CameraMotion, ...]:
    """Look again at frames further apart, between which a slow camera has gone some way."""
    kept = np.unique(np.append(np.arange(0, len(grays), _STRIDE), len(grays) - 1))
    tracks, share = _follow([grays[at] for at in kept], times[kept], legs=1)
    camera = _camera(tracks)
    return camera if _drifts(camera[-1], share, _STRIDE_SHARE, _STRIDE_RESTING) else (CameraMotion(),)


def _drifts(camera: CameraMotion, share: float, least: float, resting: CameraMotion) -> bool:
    """Whether a camera that was seen to move in this share of the steps got anywhere by it."""
    return share >= least and (
        max(abs(camera.pan_x), abs(camera.pan_y)) > resting.pan_x
        or abs(camera.zoom) > resting.zoom
        or abs(camera.roll) > resting.roll
    )


def _gray(rgb: NDArray[np.uint8]) -> Gray:
    scale = min(_WORK_PX / max(rgb.shape[:2]), 1.0)
    size = (max(round(rgb.shape[1] * scale), 16), max(round(rgb.shape[0] * scale), 16))
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)


def _follow(grays: list[Gray], times: Floats, legs: int) -> tuple[Tracks, float]:
    """Follow the middle frame's grid, and the camera, to all others; in what share of steps it moved."""
    middle = len(grays) // 2
    before, moved_before = _follow_half(grays[middle::-1])
    after, moved_after = _follow_half(grays[middle:])
    tracks = Tracks(grays[middle], (*before[:0:-1], *after), times, legs)
    return tracks, (moved_before + moved_after) / (len(grays) - 1)


def _follow_half(grays: list[Gray]) -> tuple[list[Place], int]:
    places, moved = [Place(grays[0], grid(grays[0].shape), np.eye(3))], 0
    for before, after in pairwise(grays):
        flow = _flow(before, after)
        last, step = places[-1], _camera_step(before, after, flow)
        places.append(Place(after, last.points + _at(flow, last.points), step @ last.camera))
        moved += not np.array_equal(step, np.eye(3))
    return places, moved


def _flow(before: Gray, after: Gray) -> Flow:
    method = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    # OpenCV takes no flow to start from here; its stubs want one.
    return np.asarray(method.calc(before, after, None), np.float32)  # type: ignore[call-overload, unused-ignore]


def _at(flow: Flow, points: Points) -> Points:
    """Flow (P, 2) at points, bilinear; outside the frame it is that of the border."""
    maps = points.astype(np.float32)
    sampled = cv2.remap(flow, maps[:, :1], maps[:, 1:], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(sampled, np.float64).reshape(-1, 2)


def _camera_step(gray: Gray, after: Gray, flow: Flow) -> Matrix:
    """Similarity that most textured points follow from this frame to the next."""
    points = grid(gray.shape)
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


def _explains(step: Matrix, gray: Gray, after: Gray) -> bool:
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


def _told_ms(times_ms: NDArray[np.int64], duration_ms: int | None) -> int:
    """Over which time motion is told: a frame or so more than is seen."""
    seen_ms = max(int(times_ms[-1] - times_ms[0]), 1)
    return seen_ms if duration_ms is None else min(max(duration_ms, seen_ms), round(_LONGEST * seen_ms))


def _legs(times: Floats, told_ms: int) -> int:
    """Into how many legs to cut; half of the last one at least must be seen."""
    most = min(told_ms // _LEG_MS, (len(times) - 1) // 2)
    seen = [legs for legs in LEGS if legs <= most and (legs - 0.5) / legs <= times[-1]]
    return max(seen, default=1)


def _camera(tracks: Tracks) -> tuple[CameraMotion, ...]:
    """Where the camera has got to at each knot after the start."""
    height, width = tracks.gray.shape
    centre = np.array([(width - 1) / 2, (height - 1) / 2, 1.0])
    back = np.linalg.inv(tracks.places[0].camera)
    poses = []
    for place in tracks.places:
        total = place.camera @ back
        shift = total @ centre - centre
        scale, turn = float(np.hypot(total[0, 0], total[1, 0])), atan2(total[1, 0], total[0, 0])
        poses.append((shift[0] / width, shift[1] / height, log2(scale), degrees(turn)))
    return tuple(CameraMotion(*map(float, pose)) for pose in tracks.at_knots(np.array(poses))[1:])
