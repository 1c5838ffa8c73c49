"""What someone who looks can do: ask for a segment's clip, and get it once it is made."""

from dataclasses import dataclass
from typing import Literal

from cloud import jobs
from cloud.catalog import Catalog, SegmentView
from cloud.clock import Clock, wall_ms
from cloud.jobs import NEXT_SEGMENT_PATIENCE_MS
from cloud.lanes import Lane
from cloud.objects import Objects
from cloud.schema import ClipRow
from cloud.shelf import is_outdated, is_whole
from cloud.store import Store
from cloud.telemetry import DeviceView, devices


class NoClipError(LookupError):
    """The clip is not made yet, or is gone; `segment` tells how far it is."""

    def __init__(self, segment: SegmentView) -> None:
        super().__init__(f"segment {segment.id} has no clip: {segment.error or segment.render}")
        self.segment = segment


@dataclass(frozen=True, slots=True)
class Stored:
    """An object that is there. `tag` changes with its content."""

    key: str
    size: int
    tag: str
    media_type: str


class Viewing:
    """Answers to people and programs that look; safe to share between threads."""

    def __init__(self, store: Store, objects: Objects, clock: Clock = wall_ms) -> None:
        self.catalog = Catalog(store)
        self._store = store
        self._objects = objects
        self._clock = clock

    def devices(self) -> list[DeviceView]:
        """List all devices and the latest of what they said of themselves."""
        return devices(self._store)

    def ask(self, segment_id: int, *, patient: bool = False) -> SegmentView:
        """Have a segment rendered before all that nobody waits for. Raises UnknownSegmentError.

        If `patient`, it waits a little for its successor, whose keyframe makes a better clip of it. A clip
        that fell short of what was asked for is tried again after a while (`cloud.shelf`).
        """
        segment = self.catalog.segment(segment_id)
        now_ms = self._clock()
        clip = self._made(segment_id)
        if segment.render == "done" and clip is not None and not is_outdated(clip, now_ms):
            return segment
        not_before_ms = now_ms + NEXT_SEGMENT_PATIENCE_MS if patient else now_ms
        with self._store.write() as session:
            jobs.enqueue(session, segment_id, now_ms, lane=Lane.LIVE, not_before_ms=not_before_ms)
        return self.catalog.segment(segment_id)

    def cancel(self, segment_id: int) -> SegmentView:
        """Withdraw the wish for a segment that waits or is rendered; others are left as they are.

        Raises UnknownSegmentError.
        """
        self.catalog.segment(segment_id)
        with self._store.write() as session:
            jobs.cancel(session, segment_id, self._clock())
        return self.catalog.segment(segment_id)

    def find(self, segment_id: int, kind: Literal["video", "poster"]) -> Stored:
        """Find the clip or the poster of a segment, asking for it where it is missing.

        Not where that failed or was cancelled. Raises UnknownSegmentError, and NoClipError where there is
        none yet.
        """
        clip = self._made(segment_id)
        if clip is None:
            segment = self.catalog.segment(segment_id)
            closed = segment.render in ("failed", "cancelled")
            raise NoClipError(segment if closed else self.ask(segment_id))
        tag = f'"{clip.fingerprint[:32]}"'
        if kind == "video":
            return Stored(clip.video_key, clip.size, tag, "video/mp4")
        return Stored(clip.poster_key, self._objects.size(clip.poster_key), tag, "image/jpeg")

    def read(self, stored: Stored, start: int, end: int) -> bytes:
        """Read bytes `start` to `end` (excluded) of an object."""
        return self._objects.read(stored.key, start, end)

    def _made(self, segment_id: int) -> ClipRow | None:
        """Give the clip, if its objects are there and whole: someone may have emptied the folder."""
        with self._store.read() as session:
            clip = session.get(ClipRow, segment_id)
        return clip if clip is not None and is_whole(self._objects, clip) else None
