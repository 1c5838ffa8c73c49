"""How visible the border between two clips is: the jump across it, in jumps between frames beside it. Pure.

    ... f f f | g g g ...      seam = |g0 - f2|  :  mean of |f1 - f0|, |f2 - f1|, |g1 - g0|, ...

1: the border is as any other pair of frames. 3: three times the change that the eye is used to here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

# Added to both sides of the ratio, in levels of 0..255: two clips at rest that agree have a seam of 1, and
# one that rests and jumps by 5 levels has one of 51. Far below what moves: a pan changes by 2 to 20.
_REST = 0.1

Frames = NDArray[np.uint8]


def seam(before: Frames, after: Frames) -> float:
    """Measure the border of two clips (T, H, W, 3) of the same size, each of at least a frame."""
    return _ratio(_difference(before[-1], after[0]), [_change(before), _change(after)])


@dataclass(slots=True)
class Seams:
    """Measures the borders of clips that come one after the other, without keeping them."""

    measured: list[float] = field(default_factory=list)
    _last: Frames | None = None
    _change: float | None = None

    def add(self, frames: Frames, *, goes_on: bool) -> None:
        """Take the next clip (T, H, W, 3); say whether it goes on from the one before. T may be 0."""
        if len(frames) == 0:
            return
        change = _change(frames)
        if goes_on and self._last is not None:
            self.measured.append(_ratio(_difference(self._last, frames[0]), [self._change, change]))
        self._last, self._change = frames[-1].copy(), change

    @property
    def mean(self) -> float | None:
        """None if nothing went on from anything."""
        return sum(self.measured) / len(self.measured) if self.measured else None

    @property
    def worst(self) -> float | None:
        return max(self.measured, default=None)


def _ratio(jump: float, changes: Sequence[float | None]) -> float:
    """Each clip counts alike, however long it is; one of a single frame does not change at all."""
    known = [change for change in changes if change is not None]
    usual = sum(known) / len(known) if known else 0.0
    return (jump + _REST) / (usual + _REST)


def _change(frames: Frames) -> float | None:
    jumps = [_difference(one, other) for one, other in pairwise(frames)]
    return sum(jumps) / len(jumps) if jumps else None


def _difference(one: Frames, other: Frames) -> float:
    """Mean absolute difference of two pictures, in levels of 0..255."""
    return float(cv2.norm(one, other, cv2.NORM_L1)) / one.size
