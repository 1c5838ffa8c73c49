"""What API and page show: cameras and their segments, read from the store."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Select, select
from sqlalchemy.orm import Session
from sqlalchemy.sql import ColumnElement

from cloud.schema import BootRow, CameraRow, ClipRow, DeviceRow, JobRow, PacketRow, SegmentRow, TelemetryRow
from cloud.store import Store
from cloud.telemetry import alarm_labels

MAX_SEGMENTS = 500  # in one answer
_SHOWN = {"dead": "failed", "late": "none"}  # late for the live view only


class UnknownCameraError(LookupError):
    """No such camera; the message names it."""


class UnknownSegmentError(LookupError):
    """No such segment; the message names it."""


@dataclass(frozen=True, slots=True)
class CameraView:
    """A camera. `id` is tenant/site/device/name; size and rate are None until its birth has come.

    `state` is ready, sleeping, lost or unknown; `seen_ms` is when its device last said anything, `alarms` is
    what it last complained of.
    """

    id: str
    tenant: str
    site: str
    device: str
    name: str
    width: int | None
    height: int | None
    fps: float | None
    state: str
    seen_ms: int
    segments: int
    bytes: int
    alarms: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ClipView:
    """A rendered clip: where to get it, and what it was made from (JSON).

    `seam` is how visible its border to the clip is that it goes on from (`cloud.render.seam`), if it does.
    `degraded` says in what it falls short of what was asked for, if it does.
    """

    video: str
    poster: str
    bytes: int
    width: int
    height: int
    frames: int
    render_ms: int
    provenance: str
    seam: float | None
    degraded: str | None = None


@dataclass(frozen=True, slots=True)
class SegmentView:
    """A segment. Times are in ms; `start_ms` is wall time. `layers` splits `bytes`, header included.

    `fault` says why it cannot be understood. `render` is none, queued, running, done, failed or
    cancelled; `clip` is there when it is done, `error` when it failed.
    """

    id: int
    camera: str
    sequence: int
    start_ms: int
    duration_ms: int
    still: bool
    historical: bool
    caption: str | None
    fault: str | None
    bytes: int
    layers: Mapping[str, int]
    render: str
    error: str | None
    clip: ClipView | None


class Catalog:
    """Answers questions about what is stored. Raises StoreError when the database does not answer."""

    def __init__(self, store: Store) -> None:
        self._store = store

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
            return [_camera(*row) for row in session.execute(query)]

    def segments(
        self, camera: str, *, limit: int = 100, before_ms: int | None = None, after_ms: int | None = None
    ) -> list[SegmentView]:
        """List a camera's segments, the newest first; `before_ms` and `after_ms` bound their starts.

        Raises UnknownCameraError.
        """
        with self._store.read() as session:
            query = _segments(SegmentRow.camera_id == _camera_id(session, camera))
            if before_ms is not None:
                query = query.where(SegmentRow.start_ms < before_ms)
            if after_ms is not None:
                query = query.where(SegmentRow.start_ms > after_ms)
            query = query.order_by(SegmentRow.start_ms.desc(), SegmentRow.packet_id.desc())
            rows = session.execute(query.limit(max(1, min(limit, MAX_SEGMENTS)))).all()
        return [_segment(camera, *row) for row in rows]

    def segment(self, packet_id: int) -> SegmentView:
        """Give one segment, or raise UnknownSegmentError."""
        with self._store.read() as session:
            row = session.execute(_segments(SegmentRow.packet_id == packet_id)).one_or_none()
            if row is None:
                raise UnknownSegmentError(f"no segment {packet_id}")
            camera = session.get_one(CameraRow, row[0].camera_id)
            device = session.get_one(DeviceRow, camera.device_id)
            return _segment(_camera_path(device, camera), *row)

    def these(self, packet_ids: Sequence[int]) -> list[SegmentView]:
        """Give segments in the order that is asked for, without those that are gone."""
        owner = select(CameraRow, DeviceRow).join(DeviceRow, DeviceRow.id == CameraRow.device_id)
        with self._store.read() as session:
            rows = session.execute(_segments(SegmentRow.packet_id.in_(packet_ids))).all()
            cameras = {row[0].camera_id for row in rows}
            owners = session.execute(owner.where(CameraRow.id.in_(cameras)))
            paths = {camera.id: _camera_path(device, camera) for camera, device in owners}
            found = {row[0].packet_id: _segment(paths[row[0].camera_id], *row) for row in rows}
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
    which: ColumnElement[bool],
) -> "Select[SegmentRow, PacketRow, JobRow, ClipRow]":
    return (
        select(SegmentRow, PacketRow, JobRow, ClipRow)
        .join(PacketRow, PacketRow.id == SegmentRow.packet_id)
        .outerjoin(JobRow, JobRow.packet_id == SegmentRow.packet_id)
        .outerjoin(ClipRow, ClipRow.packet_id == SegmentRow.packet_id)
        .where(which)
    )


def _camera_id(session: Session, camera: str) -> int:
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


def _camera_path(device: DeviceRow, camera: CameraRow) -> str:
    return f"{device.tenant}/{device.site}/{device.name}/{camera.name}"


def _camera(camera: CameraRow, device: DeviceRow, state: str | None, alarms: str | None) -> CameraView:
    return CameraView(
        id=_camera_path(device, camera),
        tenant=device.tenant,
        site=device.site,
        device=device.name,
        name=camera.name,
        width=camera.width,
        height=camera.height,
        fps=camera.fps,
        state=state or "unknown",
        seen_ms=device.seen_ms,
        segments=camera.segments,
        bytes=camera.bytes,
        alarms=alarm_labels(alarms),
    )


def _segment(
    camera: str, segment: SegmentRow, packet: PacketRow, job: JobRow | None, clip: ClipRow | None
) -> SegmentView:
    state = "none" if job is None else _SHOWN.get(job.state, job.state)
    return SegmentView(
        id=segment.packet_id,
        camera=camera,
        sequence=packet.sequence,
        start_ms=segment.start_ms,
        duration_ms=segment.duration_ms,
        still=segment.still,
        historical=packet.historical,
        caption=segment.caption,
        fault=segment.fault,
        bytes=packet.size,
        layers=json.loads(segment.layers),
        render="done" if clip is not None and state == "none" else state,
        error=None if job is None else job.error,
        clip=None if clip is None else _clip(clip),
    )


def _clip(clip: ClipRow) -> ClipView:
    return ClipView(
        video=f"/api/v1/clips/{clip.packet_id}.mp4",
        poster=f"/api/v1/clips/{clip.packet_id}.jpg",
        bytes=clip.size,
        width=clip.width,
        height=clip.height,
        frames=clip.frames,
        render_ms=clip.render_ms,
        provenance=clip.provenance,
        seam=clip.seam,
        degraded=None if clip.wanted is None else json.loads(clip.provenance)["degraded"],
    )
