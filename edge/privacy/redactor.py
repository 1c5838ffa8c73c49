"""Redacts the frames of one camera: zones, and what detectors find, held in time.

    looked at     t0    t1    t2    t3    t4         each frame, not only keyframes
    given                     t0    t1    t2         two frames later
    masked        in t2: whatever was found from t2 - HOLD_MS to t4

So a face that the detector misses in one frame is masked by its neighbours' boxes, and one that comes into
the picture already where it was not found yet. Pure: times come with the frames.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edge.frame import Frame
from edge.privacy.detectors import NONE, Boxes
from edge.privacy.masks import Mask, boxes_mask, filled, zone_mask
from wire.policy.zones import Zone

HOLD_MS = 750
AHEAD = 2  # frames that are looked at before one is given
AHEAD_MS = 1000  # ones that come later than this say nothing of it


@dataclass(frozen=True, slots=True, eq=False)
class _Looked:
    frame: Frame
    boxes: Boxes

    @property
    def time_ms(self) -> int:
        return self.frame.captured_us // 1000


class Redactor:
    """For one camera and one thread. Push every frame with its boxes; flush when no more come."""

    def __init__(self) -> None:
        self._past = deque[tuple[int, Boxes]]()
        self._waiting = deque[_Looked]()
        self._zones: tuple[Zone, ...] = ()
        self._zone_mask: Mask | None = None
        self._drawn_for: tuple[tuple[Zone, ...], int, int] | None = None

    @property
    def waiting(self) -> int:
        """How many frames were looked at and not given yet."""
        return len(self._waiting)

    def push(self, frame: Frame, boxes: Boxes, zones: Sequence[Zone], ahead: int = AHEAD) -> Iterator[Frame]:
        """Take a frame; give those, redacted, of which enough of what follows is known."""
        self._zones = tuple(zones)
        self._waiting.append(_Looked(frame, boxes))
        while len(self._waiting) > ahead:
            yield self._redacted(self._waiting.popleft())

    def flush(self) -> Iterator[Frame]:
        """Give the frames that are left."""
        while self._waiting:
            yield self._redacted(self._waiting.popleft())

    def forget(self) -> int:
        """Throw away the frames that are left: what follows them is not known. Gives how many."""
        count = len(self._waiting)
        self._waiting.clear()
        return count

    def _redacted(self, looked: _Looked) -> Frame:
        now_ms = looked.time_ms
        while self._past and now_ms - self._past[0][0] > HOLD_MS:
            self._past.popleft()
        self._past.append((now_ms, looked.boxes))
        near = [boxes for _, boxes in self._past]
        near += [each.boxes for each in self._waiting if each.time_ms - now_ms <= AHEAD_MS]
        height, width = looked.frame.rgb.shape[:2]
        masked = self._zoned(height, width) | boxes_mask(np.concatenate((NONE, *near)), height, width)
        return replace(looked.frame, rgb=filled(looked.frame.rgb, masked))

    def _zoned(self, height: int, width: int) -> Mask:
        key = (self._zones, height, width)
        if self._zone_mask is None or self._drawn_for != key:
            self._zone_mask, self._drawn_for = zone_mask(self._zones, height, width), key
        return self._zone_mask
