"""Segments on their way from the cameras to the encoders."""

from collections import deque
from dataclasses import dataclass, replace
from threading import Condition

from edge.segmenter import RawSegment
from wire.gap import GapReason

_POLL_S = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Captured:
    """A segment and the camera it is of."""

    camera: str
    raw: RawSegment


@dataclass(frozen=True, slots=True)
class Missed:
    """Segments of a camera that are given up, in a row; the first began at `start_ms`."""

    camera: str
    start_ms: int
    count: int
    reason: GapReason = GapReason.OVERLOADED


class Inbox:
    """Holds at most `capacity` segments of about 2 MB.

    When it is full, a file waits, and a live camera's new segment takes the place of the oldest one:
    the encoders are too slow then, and what is newest is worth most. Dropped segments are counted, and
    `take` gives one note of them for each camera before the segments that are left.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._waiting: deque[Captured] = deque()
        self._missed: dict[str, Missed] = {}
        self._changed = Condition()
        self._closed = False
        self.dropped = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not self._waiting and not self._missed

    def put(self, item: Captured, *, live: bool) -> None:
        """Hand a segment over; after `close` it is thrown away."""
        with self._changed:
            while not live and len(self._waiting) >= self._capacity and not self._closed:
                self._changed.wait(_POLL_S)
            if self._closed:
                return
            if len(self._waiting) >= self._capacity:
                self._miss(self._waiting.popleft())
            self._waiting.append(item)
            self._changed.notify_all()

    def withhold(self, camera: str, start_ms: int) -> None:
        """Note that nothing of a camera may be sent from `start_ms` on, for some time."""
        with self._changed:
            self._missed[f"{camera} withheld"] = Missed(camera, start_ms, 1, GapReason.REFUSED)
            self._changed.notify_all()

    def take(self) -> Captured | Missed | None:
        """Wait for the oldest segment, or note of such; None once the inbox is closed and empty."""
        with self._changed:
            while not self._waiting and not self._missed and not self._closed:
                self._changed.wait(_POLL_S)
            if self._missed:  # older than any segment of its camera that is still here
                return self._missed.pop(next(iter(self._missed)))
            item = self._waiting.popleft() if self._waiting else None
            self._changed.notify_all()
            return item

    def close(self) -> None:
        """Let nothing more in."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _miss(self, item: Captured) -> None:
        self.dropped += 1
        before = self._missed.get(item.camera, Missed(item.camera, item.raw.start_ms, 0))
        self._missed[item.camera] = replace(before, count=before.count + 1)
