"""What someone who looks can do: ask for a segment's clip, and get it once it is made."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from cloud import jobs
from cloud.access.roles import Role
from cloud.anchor_book import AnchorBook
from cloud.catalog import Catalog, SegmentView
from cloud.clock import Clock, wall_ms
from cloud.jobs import NEXT_SEGMENT_PATIENCE_MS
from cloud.lanes import Lane
from cloud.look import ONE_LOOK, Looks
from cloud.objects import Objects
from cloud.retention.keeps import Keeps
from cloud.schema import ClipRow
from cloud.shelf import is_outdated, is_whole
from cloud.store import Store
from cloud.telemetry import DeviceView, devices

Charge = Callable[[int], None]


def free(_count: int) -> None:
    """Charge nothing for clips that are asked for."""


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
    """Answers to people and programs that look; safe to share between threads.

    Whether they may see a segment is asked before: of `catalog` by their role, or by the route. By their role
    is also which of its clips they get.
    """

    def __init__(
        self,
        store: Store,
        objects: Objects,
        clock: Clock = wall_ms,
        looks: Looks = ONE_LOOK,
        anchors: AnchorBook | None = None,
    ) -> None:
        self.catalog = Catalog(store, looks)
        self.keeps = Keeps(store, clock)
        self.anchors = anchors or AnchorBook(store, objects)
        self._store = store
        self._objects = objects
        self._clock = clock

    def devices(self) -> list[DeviceView]:
        """List all devices and the latest of what they said of themselves."""
        return devices(self._store)

    def ask(
        self, segment_id: int, *, patient: bool = False, charge: Charge = free, role: Role = Role.ADMIN
    ) -> SegmentView:
        """Have a segment rendered as a role sees it, before all that nobody waits for.

        Raises UnknownSegmentError.

        If `patient`, it waits a little for its successor, whose keyframe makes a better clip of it. A clip
        that fell short of what was asked for is tried again after a while (`cloud.shelf`). `charge` is told
        how many clips have to be made, before they are asked for; what it raises comes through.
        """
        look = self.catalog.look(segment_id, role)
        segment = self.catalog.segment(segment_id, role)
        now_ms = self._clock()
        clip = self._made(segment_id, look)
        if segment.render == "done" and clip is not None and not is_outdated(clip, now_ms):
            return segment
        if segment.render not in ("queued", "running"):
            charge(1)
        not_before_ms = now_ms + NEXT_SEGMENT_PATIENCE_MS if patient else now_ms
        with self._store.write() as session:
            jobs.enqueue(session, segment_id, now_ms, lane=Lane.LIVE, not_before_ms=not_before_ms, look=look)
        return self.catalog.segment(segment_id, role)

    def cancel(self, segment_id: int, role: Role = Role.ADMIN) -> SegmentView:
        """Withdraw the wish for a segment that waits or is rendered; others are left as they are.

        Raises UnknownSegmentError.
        """
        look = self.catalog.look(segment_id, role)
        with self._store.write() as session:
            jobs.cancel(session, segment_id, self._clock(), look)
        return self.catalog.segment(segment_id, role)

    def find(
        self, segment_id: int, kind: Literal["video", "poster"], charge: Charge = free,
        role: Role = Role.ADMIN,
    ) -> Stored:  # fmt: skip
        """Find the clip or the poster of a segment, asking for it (as `ask` does) where it is missing.

        Not where that failed or was cancelled. Raises UnknownSegmentError, and NoClipError where there is
        none yet.
        """
        clip = self._made(segment_id, self.catalog.look(segment_id, role))
        if clip is None:
            segment = self.catalog.segment(segment_id, role)
            closed = segment.render in ("failed", "cancelled")
            raise NoClipError(segment if closed else self.ask(segment_id, charge=charge, role=role))
        # Signed anew, or with another manifest, the same clip has other bytes behind its pictures.
        stated = hashlib.sha256((clip.document or "").encode()).hexdigest()[:8]
        tag = f'"{clip.fingerprint[:32]}-{stated}"'
        if kind == "video":
            return Stored(clip.video_key, clip.size, tag, "video/mp4")
        return Stored(clip.poster_key, self._objects.size(clip.poster_key), tag, "image/jpeg")

    def read(self, stored: Stored, start: int, end: int) -> bytes:
        """Read bytes `start` to `end` (excluded) of an object."""
        return self._objects.read(stored.key, start, end)

    def _made(self, segment_id: int, look: str) -> ClipRow | None:
        """Give the clip, if its objects are there and whole: someone may have emptied the folder."""
        with self._store.read() as session:
            clip = session.get(ClipRow, (segment_id, look))
        return clip if clip is not None and is_whole(self._objects, clip) else None
