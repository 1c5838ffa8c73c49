"""Dense flow that a motion layer describes by itself: what the renderer is guided by.

The trainer and the renderer must compute the very same field. Coordinates are fractions of the frame,
times are fractions of the segment (0 its start, 1 its end).
"""

from math import cos, radians, sin

import numpy as np
from numpy.typing import NDArray

from wire.motion import CameraMotion, Motion

Float = NDArray[np.float32]
EDGE = (0.7, 1.2)  # of an object's radius: from where to where its motion fades
FAR = 2.0  # frames: beyond, content has left the frame
_OCTAVES = 16.0  # beyond, nothing of a picture is left


def pixel_centres(height: int, width: int) -> Float:
    """Pixel centres (height, width, 2) as (x, y) fractions of the frame."""
    x = (np.arange(width, dtype=np.float32) + 0.5) / width
    y = (np.arange(height, dtype=np.float32) + 0.5) / height
    return np.stack(np.meshgrid(x, y), axis=-1)


def camera_matrix(camera: CameraMotion, aspect: float = 1.0) -> Float:
    """Map content at the start to where it is when the camera is there: 3x3 in frame fractions.

    aspect = width / height.
    """
    scale = 2.0 ** min(max(camera.zoom, -_OCTAVES), _OCTAVES)
    c, s = scale * cos(radians(camera.roll)), scale * sin(radians(camera.roll))
    turn = np.array([[c, -s / aspect], [s * aspect, c]], np.float32)
    centre = np.array([0.5, 0.5], np.float32)
    pan = np.array([camera.pan_x, camera.pan_y], np.float32)
    matrix = np.eye(3, dtype=np.float32)
    matrix[:2, :2] = turn
    matrix[:2, 2] = centre + pan - turn @ centre
    return matrix


def guide(
    motion: Motion,
    frames: int,
    keys: tuple[float, float | None],
    side: int,
    scale: float,
    aspect: float = 1.0,
) -> Float:
    """Flow (frames, 4, side, side) of evenly spread frames as `flow_at` gives it, times `scale`."""
    times = np.linspace(0, 1, frames).tolist()
    return np.stack([flow_at(motion, time, keys, side, aspect) for time in times]) * np.float32(scale)


def flow_at(
    motion: Motion, time: float, keys: tuple[float, float | None], side: int, aspect: float = 1.0
) -> Float:
    """Flow (4, side, side) from the frame at `time` to keyframes A and B, two channels each, x and y.

    `keys` are the times of both keyframes; without B its channels are 0. Clipped at FAR.
    """
    flow = np.zeros((4, side, side), np.float32)
    for channel, key in zip((0, 2), keys, strict=True):
        if key is not None:
            field = motion_field(motion, time, key, side, aspect)
            flow[channel : channel + 2] = field.transpose(2, 0, 1)
    return np.clip(flow, -FAR, FAR)


def motion_field(motion: Motion, time: float, key: float, side: int, aspect: float = 1.0) -> Float:
    """Backward flow (side, side, 2) from the frame at `time` to the frame at `key`.

    An object is the ellipse in its box, with a soft edge.
    """
    grid = pixel_centres(side, side)
    matrix = camera_matrix(motion.camera_at(key), aspect) @ np.linalg.inv(
        camera_matrix(motion.camera_at(time), aspect)
    )
    flow = grid @ matrix[:2, :2].T + matrix[:2, 2] - grid
    for item in motion.objects:
        gone = np.array(item.displacement_at(time), np.float32)
        centre = np.array([item.x, item.y], np.float32) + gone
        size = np.array([item.width, item.height], np.float32)
        radius = np.sqrt(np.square((grid - centre) / (size / 2)).sum(-1, keepdims=True))
        share = np.clip((EDGE[1] - radius) / (EDGE[1] - EDGE[0]), 0, 1)
        flow += share * (np.array(item.displacement_at(key), np.float32) - gone - flow)
    return flow.astype(np.float32)
