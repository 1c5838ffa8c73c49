"""What API and page show: cameras and their segments, read from the store."""

from collections.abc import Sequence

from sqlalchemy import Select, and_, select
from sqlalchemy.orm import Session
from sqlalchemy.sql import ColumnElement

from cloud.access.roles import Role
from cloud.bound import NOBODY
from cloud.look import ONE_LOOK, Looks
from cloud.schema import BootRow, CameraRow, ClipRow, DeviceRow, JobRow, PacketRow, SegmentRow, TelemetryRow
from cloud.store import Store
from cloud.views import CameraView, ClipView, SegmentView, camera_path, camera_view, segment_view

__all__ = [
    "CameraView", "Catalog", "ClipView", "SegmentView", "UnknownCameraError", "UnknownSegmentError",
    "camera_id_of", "camera_path", "poster_key", "tail_key", "video_key",
]  # fmt: skip

MAX_SEGMENTS = 500  # in one answer


class UnknownCameraError(LookupError):
    """No such camera; the message names it."""


class UnknownSegmentError(LookupError):
    """No such segment; the message names it."""


class Catalog:
    """Answers questions about what is stored. Raises StoreError when the database does not answer.

    Segments are those that a `role` may see as their senders demand; the others are not there. Their clips
    are those of what the role sees the camera as, by `looks`.
    """

    def __init__(self, store: Store, looks: Looks = ONE_LOOK) -> None:
        self._store = store
        self._looks = looks

    def cameras(self) -> list[CameraView]:
        """List all cameras by name."""
        query = (
            select(CameraRow, DeviceRow, BootRow.state, TelemetryRow.alarms)
            .join(DeviceRow, DeviceRow.id == CameraRow.device_id)
            .outerjoin(
                BootRow, (BootRow.device_id == DeviceRow.id) & (BootRow.boot_hex == DeviceRow.boot_hex)
            )
            .outerjoin(TelemetryRow, TelemetryRow.device_id == DeviceRow.id)
            .order_by(DeviceRow.tenant, DeviceRow.site, DeviceRow.name, CameraRow.name)
        )
        with self._store.read() as session:
            return [camera_view(*row) for row in session.execute(query)]

    def segments(
        self,
        camera: str,
        *,
        limit: int = 100,
        before_ms: int | None = None,
        after_ms: int | None = None,
        confidence_below: float | None = None,
        role: Role = Role.VIEWER,
    ) -> list[SegmentView]:
        """List a camera's segments, the newest first; `before_ms` and `after_ms` bound their starts.

        With `confidence_below`, only those whose clip has a score, and below. Raises UnknownCameraError.
        """
        with self._store.read() as session:
            which = SegmentRow.camera_id == camera_id_of(session, camera)
            query = _segments(which, role, self._looks.look(camera, role))
            if before_ms is not None:
                query = query.where(SegmentRow.start_ms < before_ms)
            if after_ms is not None:
                query = query.where(SegmentRow.start_ms > after_ms)
            if confidence_below is not None:
                query = query.where(ClipRow.confidence < confidence_below)
            query = query.order_by(SegmentRow.start_ms.desc(), SegmentRow.packet_id.desc())
            rows = session.execute(query.limit(max(1, min(limit, MAX_SEGMENTS)))).all()
        return [segment_view(camera, role, *row) for row in rows]

    def later_ms(self, camera: str, start_ms: int, count: int, role: Role = Role.VIEWER) -> int | None:
        """Tell when the last of `count` segments begins that begin after `start_ms`; None if there are fewer.

        Raises UnknownCameraError.
        """
        with self._store.read() as session:
            query = (
                select(SegmentRow.start_ms)
                .where(SegmentRow.camera_id == camera_id_of(session, camera), SegmentRow.viewers <= role)
                .where(SegmentRow.start_ms > start_ms)
            )
            return session.scalar(query.order_by(SegmentRow.start_ms).offset(count - 1).limit(1))

    def segment(self, packet_id: int, role: Role = Role.VIEWER) -> SegmentView:
        """Give one segment, or raise UnknownSegmentError."""
        found = self.these([packet_id], role)
        if not found:
            raise UnknownSegmentError(f"no segment {packet_id}")
        return found[0]

    def look(self, packet_id: int, role: Role) -> str:
        """Name what a role sees a segment as (`cloud.looks`), or raise UnknownSegmentError."""
        camera = self._camera_of(packet_id, NOBODY)
        if camera is None:
            raise UnknownSegmentError(f"no segment {packet_id}")
        return self._looks.look(camera, role)

    def camera_of(self, packet_id: int, role: Role = Role.VIEWER) -> str | None:
        """Tell whose a segment is, None if there is none."""
        return self._camera_of(packet_id, role)

    def _camera_of(self, packet_id: int, most: int) -> str | None:
        query = (
            select(DeviceRow.tenant, DeviceRow.site, DeviceRow.name, CameraRow.name)
            .join(CameraRow, CameraRow.device_id == DeviceRow.id)
            .join(SegmentRow, SegmentRow.camera_id == CameraRow.id)
            .where(SegmentRow.packet_id == packet_id, SegmentRow.viewers <= most)
        )
        with self._store.read() as session:
            names = session.execute(query).one_or_none()
        return None if names is None else "/".join(names)

    def these(self, packet_ids: Sequence[int], role: Role = Role.VIEWER) -> list[SegmentView]:
        """Give segments in the order that is asked for, without those that are gone."""
        owner = (
            select(CameraRow, DeviceRow)
            .join(DeviceRow, DeviceRow.id == CameraRow.device_id)
            .join(SegmentRow, SegmentRow.camera_id == CameraRow.id)
            .where(SegmentRow.packet_id.in_(packet_ids))
        )
        with self._store.read() as session:
            owners = session.execute(owner.distinct()).all()
            found = dict[int, SegmentView]()
            for camera, device in owners:
                path = camera_path(device, camera)
                which = and_(SegmentRow.packet_id.in_(packet_ids), SegmentRow.camera_id == camera.id)
                rows = session.execute(_segments(which, role, self._looks.look(path, role)))
                found |= {row[0].packet_id: segment_view(path, role, *row) for row in rows}
        return [found[packet_id] for packet_id in packet_ids if packet_id in found]


def video_key(name: str) -> str:
    """Name the object of a clip, called `name` (`cloud.shelf`)."""
    return f"clips/{name}.mp4"


def poster_key(name: str) -> str:
    """Name the object of a clip's poster."""
    return f"posters/{name}.jpg"


def tail_key(name: str) -> str:
    """Name the object of a clip's last frames, which a renderer that carries goes on from."""
    return f"tails/{name}.png"


def _segments(
    which: ColumnElement[bool], role: Role, look: str
) -> "Select[SegmentRow, PacketRow, JobRow, ClipRow]":
    return (
        select(SegmentRow, PacketRow, JobRow, ClipRow)
        .join(PacketRow, PacketRow.id == SegmentRow.packet_id)
        .outerjoin(JobRow, and_(JobRow.packet_id == SegmentRow.packet_id, JobRow.look == look))
        .outerjoin(ClipRow, and_(ClipRow.packet_id == SegmentRow.packet_id, ClipRow.look == look))
        .where(which, SegmentRow.viewers <= role)
    )


def camera_id_of(session: Session, camera: str) -> int:
    """Find a camera's row id by tenant/site/device/name, or raise UnknownCameraError."""
    parts = camera.split("/")
    found = None
    if len(parts) == 4:
        tenant, site, device, name = parts
        found = session.scalars(
            select(CameraRow.id)
            .join(DeviceRow, DeviceRow.id == CameraRow.device_id)
            .where(DeviceRow.tenant == tenant, DeviceRow.site == site, DeviceRow.name == device)
            .where(CameraRow.name == name)
        ).one_or_none()
    if found is None:
        raise UnknownCameraError(f"no camera {camera!r}")
    return found
