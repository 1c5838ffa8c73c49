"""Two keyframes and the motion between them become the frames of a segment.

    fields (FRAMES, 5, side, side) --in time--> one per output frame --in space--> remap A and B, blend

Flow is backward and in fractions of the frame, so it applies at any size: pictures are warped at the
size of the output, whatever the grid that motion was diffused on.
"""

from collections.abc import Sequence
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from wire.field import flow_at
from wire.motion import Motion

Float = NDArray[np.float32]


def at_time(fields: Float, time: float) -> Float:
    """Interpolate fields (FRAMES, C, side, side), spread evenly over 0..1, at `time`; clamped outside."""
    place = min(max(time, 0.0), 1.0) * (len(fields) - 1)
    before = min(int(place), max(len(fields) - 2, 0))
    after = min(before + 1, len(fields) - 1)
    share = np.float32(place - before)
    return np.asarray(fields[before] * (1 - share) + fields[after] * share, np.float32)


class Told:
    """What a motion layer says of the flow to keyframes at the times `keys`, 0..1 of the segment.

    Between `frames` fields in a row it is known better than by interpolation: ways have knots there.
    """

    def __init__(
        self, motion: Motion, keys: tuple[float, float | None], aspect: float, frames: int, side: int
    ) -> None:
        self._flow = partial(flow_at, motion, keys=keys, side=side, aspect=aspect)
        self._fields = np.stack([self._flow(time) for time in np.linspace(0, 1, frames).tolist()])

    def bend(self, time: float) -> Float:
        """Give what its flow (4, side, side) differs at `time` from that between two fields."""
        return np.asarray(self._flow(time) - at_time(self._fields, time), np.float32)


def compose(field: Float, first: NDArray[np.uint8], second: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
    """Warp keyframe A, and B if there is one, by `field` (5, side, side) and blend: (H, W, 3).

    Channels: flow to A (x, y), flow to B (x, y) in fractions of the frame, blend (-1 all A, 1 all B).
    """
    height, width = first.shape[:2]
    if not field[:2].any() and second is None:
        return first
    grid = np.ascontiguousarray(field.transpose(1, 2, 0))
    large = np.asarray(cv2.resize(grid, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    made = _warp(first, large[..., 0:2], columns, rows)
    if second is None:
        return made
    other = _warp(second, large[..., 2:4], columns, rows)
    share = np.clip(large[..., 4:5] * 0.5 + 0.5, 0, 1)
    mixed = made + share * (other.astype(np.float32) - made)
    return np.asarray(mixed.round(), np.uint8)


def _warp(picture: NDArray[np.uint8], flow: Float, columns: Float, rows: Float) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    x = columns + flow[..., 0] * width
    y = rows + flow[..., 1] * height
    return np.asarray(cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def remap(picture: Float, flow: Float) -> Float:
    """Sample a float picture (H, W, C) at backward flow (H, W, 2) in fractions of the frame; edges repeat."""
    height, width = picture.shape[:2]
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    x, y = columns + flow[..., 0] * width, rows + flow[..., 1] * height
    return np.asarray(cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)


def shifted_times(steps: int, shift: float) -> Sequence[float]:
    """Give the times 0..1 of `steps` Euler steps, moved towards the noise as in training."""
    plain = [number / steps for number in range(steps + 1)]
    return [time / (time + shift * (1 - time)) for time in plain]
