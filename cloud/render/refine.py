"""What the refiner changes in the frames of a segment.

    fields --> evidence (8, S, S) at each of their times --refiner--> changes --carried along--> frames

Changes are computed at the times that motion was diffused at, carried along by it to the frames between,
and added at the size of the output: detail costs the same, however many frames a second are shown.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from cloud.render.flow import at_time, remap

Float = NDArray[np.float32]
Picture = NDArray[np.uint8]
Repair = Callable[[Float], Float]  # evidence (T, 8, S, S) to changes (T, 3, s, s), of pictures in 0..1

_OUTSIDE = 8.0  # scale of the hint: an eighth of the frame beyond the keyframe's edge is 1
_RESTS = 1e-4  # of the frame: below, nothing has to be carried along


class Changes:
    """The changes to the frames of one segment, at `width` x `height`.

    fields (T, 5, side, side) as `cloud.render.flow.compose` takes them, spread evenly over the segment;
    keyframes (S, S, 3) at the size that `repair` works at, the second None where there is none.
    """

    def __init__(
        self, fields: Float, first: Picture, second: Picture | None, repair: Repair, width: int, height: int
    ) -> None:
        self._fields = fields
        made = repair(np.stack([evidence(field, first, second) for field in fields]))
        self._changes = [
            np.asarray(cv2.resize(change.transpose(1, 2, 0) * 255, (width, height)), np.float32)
            for change in made
        ]

    def apply(self, frame: Picture, time: float) -> Picture:
        """Change the frame (height, width, 3) at `time` 0..1."""
        last = len(self._fields) - 1
        place = min(max(time, 0.0), 1.0) * last
        before = min(int(place), max(last - 1, 0))
        share = np.float32(place - before)
        change = self._carried(before, time)
        if share > 0:
            change = change + share * (self._carried(before + 1, time) - change)
        return np.asarray((frame + change).round().clip(0, 255), np.uint8)

    def _carried(self, number: int, time: float) -> Float:
        """Move change `number` along with what it belongs to, to where that is at `time`."""
        field, there = at_time(self._fields, time), self._fields[number]
        share = _share(field)
        way = field[0:2] - there[0:2]
        way = way + share * (field[2:4] - there[2:4] - way)
        if np.abs(way).max() < _RESTS:
            return self._changes[number]
        height, width = self._changes[number].shape[:2]
        flow = cv2.resize(np.ascontiguousarray(way.transpose(1, 2, 0)), (width, height))
        return remap(self._changes[number], np.asarray(flow, np.float32))


def evidence(field: Float, first: Picture, second: Picture | None) -> Float:
    """Show the refiner one frame: (8, S, S), float; see models/tiny/refiner.py, which must agree.

    The warped and blended picture in 0..1; four times what the keyframes disagree on where both are
    shown; how far outside its keyframe each pixel comes from; how stretched it is there.
    """
    side = first.shape[0]
    large = np.asarray(cv2.resize(np.ascontiguousarray(field.transpose(1, 2, 0)), (side, side)), np.float32)
    share = _share(large.transpose(2, 0, 1)).transpose(1, 2, 0)
    from_a = remap(_unit(first), large[..., 0:2])
    if second is None:
        return _stacked(from_a, np.zeros_like(from_a), _hints(large[..., 0:2]))
    apart = remap(_unit(second), large[..., 2:4]) - from_a
    hints = _hints(large[..., 0:2])
    hints = hints + share * (_hints(large[..., 2:4]) - hints)
    return _stacked(from_a + share * apart, 4 * share * (1 - share) * apart, hints)


def _unit(picture: Picture) -> Float:
    return np.asarray(picture, np.float32) / np.float32(255)


def _share(field: Float) -> Float:
    return np.asarray(np.clip(field[4:5] * np.float32(0.5) + np.float32(0.5), 0, 1), np.float32)


def _stacked(picture: Float, doubt: Float, hints: Float) -> Float:
    return np.asarray(np.concatenate([picture, doubt, hints], axis=2).transpose(2, 0, 1), np.float32)


def _hints(flow: Float) -> Float:
    height, width = flow.shape[:2]
    x = (np.arange(width, dtype=np.float32) + 0.5) / width + flow[..., 0]
    y = ((np.arange(height, dtype=np.float32) + 0.5) / height)[:, None] + flow[..., 1]
    outside = np.abs(x - x.clip(0, 1)) + np.abs(y - y.clip(0, 1))
    across, along = np.empty_like(outside), np.empty_like(outside)
    across[:, 1:-1] = flow[:, 2:, 0] - flow[:, :-2, 0]
    along[1:-1] = flow[2:, :, 1] - flow[:-2, :, 1]
    across[:, 0], across[:, -1] = across[:, 1], across[:, -2]
    along[0], along[-1] = along[1], along[-2]
    stretched = across * (width / 2) + along * (height / 2)
    return np.stack([(outside * _OUTSIDE).clip(max=1), stretched.clip(-1, 1)], axis=2).astype(np.float32)
