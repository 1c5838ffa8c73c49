"""The frame grid: one picture that tells a captioner what a segment shows and how it moves.

+---------+---------+      The trainer and the device must make the very same picture,
| first   | middle  |      so this is part of the agreement and not of either side.
+---------+---------+      The `flow` tile paints the mean optical flow: red is motion to the
| last    | flow    |      right, green motion downwards (128 = none), blue its size.
+---------+---------+
"""

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

FLOW_PX = 96  # side of the picture on which flow is measured
FLOW_PAIRS = 6  # pairs of neighbouring samples that are averaged
_GAIN = 48.0  # colour steps per square root of a per-pair displacement in hundredths of the side


class GridError(ValueError):
    """The frames or the layout do not make a grid."""


def frame_grid(frames: NDArray[np.uint8], tile_px: int, layout: Sequence[str]) -> NDArray[np.uint8]:
    """Tile frames (N, H, W, 3) RGB into (S, S, 3) with S = tile_px x sqrt(len(layout)).

    `layout` names tiles row by row: "frame" takes the next of evenly spread frames, "flow" paints
    the motion. Raises GridError if the layout is not square or there is no frame.
    """
    side = round(len(layout) ** 0.5)
    if side * side != len(layout) or not layout:
        raise GridError(f"layout has {len(layout)} tiles, which is not a square number")
    if frames.ndim != 4 or frames.shape[0] == 0:
        raise GridError(f"frames have shape {frames.shape}, expected (N, H, W, 3) with N > 0")
    wanted = [name for name in layout if name == "frame"]
    picks = iter(np.linspace(0, len(frames) - 1, max(len(wanted), 1)).round().astype(int))
    tiles = []
    for name in layout:
        if name == "frame":
            tiles.append(_resize(frames[next(picks)], tile_px))
        elif name == "flow":
            tiles.append(_resize(flow_tile(frames), tile_px))
        else:
            raise GridError(f"layout names tile {name!r}, known are 'frame' and 'flow'")
    rows = [np.concatenate(tiles[i : i + side], axis=1) for i in range(0, len(tiles), side)]
    return np.concatenate(rows, axis=0)


def flow_tile(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Paint the mean flow between neighbouring samples as (FLOW_PX, FLOW_PX, 3)."""
    count = min(len(frames), FLOW_PAIRS + 1)
    picks = np.linspace(0, len(frames) - 1, count).round().astype(int)
    grays = [cv2.cvtColor(_resize(frames[i], FLOW_PX), cv2.COLOR_RGB2GRAY) for i in picks]
    total = np.zeros((FLOW_PX, FLOW_PX, 2), np.float32)
    size = np.zeros((FLOW_PX, FLOW_PX), np.float32)
    if count > 1:
        method = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        for before, after in pairwise(grays):
            flow = method.calc(before, after, np.zeros((*before.shape, 2), np.float32))
            total += flow
            size += np.hypot(flow[..., 0], flow[..., 1])
        total /= count - 1
        size /= count - 1
    percent = 100.0 / FLOW_PX
    painted = np.empty((FLOW_PX, FLOW_PX, 3), np.float32)
    painted[..., :2] = 128 + np.sign(total) * np.sqrt(np.abs(total) * percent) * _GAIN
    painted[..., 2] = np.sqrt(size * percent) * _GAIN
    return np.clip(painted, 0, 255).astype(np.uint8)


def _resize(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    if picture.shape[:2] == (side, side):
        return picture
    shrinking = picture.shape[0] >= side and picture.shape[1] >= side
    method = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, (side, side), interpolation=method), np.uint8)
