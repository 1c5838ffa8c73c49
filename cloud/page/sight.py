"""What one visitor sees and may do: the rest of the fleet is not there, whatever a browser names."""

from collections.abc import Sequence
from dataclasses import replace

from cloud.access.asks import Asking
from cloud.access.roles import Role
from cloud.anchor_book import Anchor, Kind, Use
from cloud.catalog import CameraView, SegmentView, UnknownCameraError, UnknownSegmentError
from cloud.page.trouble import knows_inside
from cloud.retention.keeps import Keep
from cloud.search import Page, Search, Wanted
from cloud.viewing import Viewing


class Sight:
    """The fleet as far as it is in the visitor's scope. Raises StoreError."""

    def __init__(self, viewing: Viewing, search: Search, asking: Asking) -> None:
        self.caller = asking.caller
        self._viewing = viewing
        self._search = search
        self._asking = asking

    @property
    def may_cancel(self) -> bool:
        return self.caller.may(Role.OPERATOR)

    @property
    def knows_inside(self) -> bool:
        """Tell whether what does not work, and where the broker is, is the visitor's business."""
        return knows_inside(self.caller)

    def cameras(self) -> list[CameraView]:
        """List cameras by name."""
        return [camera for camera in self._viewing.catalog.cameras() if self.caller.sees(camera.id)]

    def segments(self, camera: str, limit: int, before_ms: int | None = None) -> list[SegmentView]:
        """List a camera's segments, the newest first. Raises UnknownCameraError."""
        self._check(camera)
        catalog, role = self._viewing.catalog, self.caller.role
        return catalog.segments(camera, limit=limit, before_ms=before_ms, role=role)

    def later_ms(self, camera: str, start_ms: int, count: int) -> int | None:
        """Tell when the last of `count` segments after a moment begins. Raises UnknownCameraError."""
        self._check(camera)
        return self._viewing.catalog.later_ms(camera, start_ms, count, self.caller.role)

    def _check(self, camera: str) -> None:
        if not self.caller.sees(camera):
            raise UnknownCameraError(f"no camera {camera!r}")

    def segment(self, segment_id: int) -> SegmentView:
        """Give one segment. Raises UnknownSegmentError."""
        found = self._viewing.catalog.segment(segment_id, self.caller.role)
        if not self.caller.sees(found.camera):
            raise UnknownSegmentError(f"no segment {segment_id}")
        return found

    def these(self, segment_ids: Sequence[int]) -> list[SegmentView]:
        """Give segments in the order that is asked for, without those that are gone."""
        found = self._viewing.catalog.these(segment_ids, self.caller.role)
        return [each for each in found if self.caller.sees(each.camera)]

    def find(self, wanted: Wanted) -> Page:
        """Search captions. Raises UnknownPlaceError, CursorError."""
        return self._search.find(replace(wanted, within=self.caller.scope.path, role=self.caller.role))

    def ask(self, segment_id: int, *, patient: bool) -> None:
        """Have a segment rendered. Raises UnknownSegmentError, and ProblemError if too much is asked for."""
        self.segment(segment_id)
        role = self.caller.role
        self._viewing.ask(segment_id, patient=patient, charge=self._asking.charge, role=role)

    def kept(self, segment_id: int) -> list[Keep]:
        """Give the intervals that keep a segment although its time is over. Raises UnknownSegmentError."""
        segment = self.segment(segment_id)
        end_ms = segment.start_ms + segment.duration_ms
        return self._viewing.keeps.touching(segment.camera, segment.start_ms, end_ms)

    def keep(self, segment_id: int) -> None:
        """Keep a segment, if the visitor may. Raises UnknownSegmentError, KeepError."""
        segment = self.segment(segment_id)
        if self.may_cancel:
            end_ms = segment.start_ms + max(segment.duration_ms, 1)
            # Whoever sees the camera reads the note, also who may not see the segment.
            note = segment.caption or "" if self._viewing.catalog.camera_of(segment_id) else ""
            self._viewing.keeps.add(segment.camera, segment.start_ms, end_ms, note)

    def let_go(self, segment_id: int, keep_id: int) -> None:
        """Leave a segment to retention again, if the visitor may. Raises UnknownSegmentError."""
        known = any(each.id == keep_id for each in self.kept(segment_id))
        if known and self.may_cancel:
            self._viewing.keeps.remove(keep_id)

    def anchors(self, camera: str) -> list[Anchor]:
        """List the stored pictures that are taken for clips of a camera; none for who may not change them."""
        if not (self.may_cancel and self.caller.sees(camera)):
            return []
        return [each for each in self._viewing.anchors.listed() if each.is_of(camera, self.caller.role)]

    def add_anchor(self, data: bytes, use: tuple[Kind, str, str], name: str) -> None:
        """Store a picture for a kind, camera and word, if the visitor may. Raises AnchorError."""
        kind, camera, word = use
        if self.may_cancel and self.caller.sees(camera):
            self._viewing.anchors.add(data, Use(kind, camera, word), name)

    def remove_anchor(self, anchor_id: int) -> None:
        """Remove a picture, if the visitor may: not one that is for cameras of others, too."""
        for each in self._viewing.anchors.listed():
            if each.id == anchor_id and self.may_cancel and each.is_shown_to(self.caller):
                self._viewing.anchors.remove(anchor_id)

    def cancel(self, segment_id: int) -> None:
        """Have a segment not rendered any more, if the visitor may. Raises UnknownSegmentError."""
        self.segment(segment_id)
        if self.may_cancel:
            self._viewing.cancel(segment_id, self.caller.role)
