"""Intervals that retention leaves alone, because someone said so."""

from dataclasses import dataclass

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import ColumnElement

from cloud.catalog import camera_id_of, camera_path
from cloud.clock import Clock, wall_ms
from cloud.schema import CameraRow, DeviceRow, KeepRow, SegmentRow
from cloud.store import Store

MAX_KEEPS = 10_000  # of all cameras: each is looked up wherever something goes
MAX_NOTE = 500  # characters
_LONGEST_MS = 65_536  # no segment is longer than a minute


class KeepError(ValueError):
    """What is to be kept cannot be; the message says why."""


@dataclass(frozen=True, slots=True)
class Keep:
    """An interval of a camera that is kept; `segments` is how many there are of it now. Times are in ms."""

    id: int
    camera: str
    from_ms: int
    to_ms: int
    note: str
    made_ms: int
    segments: int


class Keeps:
    """Lists, adds and removes them. Safe to share between threads; raises StoreError."""

    def __init__(self, store: Store, clock: Clock = wall_ms) -> None:
        self._store = store
        self._clock = clock

    def listed(self, camera: str | None = None) -> list[Keep]:
        """List them by camera and time, of one camera or of all. Raises UnknownCameraError."""
        with self._store.read() as session:
            which = () if camera is None else (KeepRow.camera_id == camera_id_of(session, camera),)
            return _read(session, *which)

    def find(self, keep_id: int) -> Keep | None:
        """Give one; None where there is none."""
        with self._store.read() as session:
            return next(iter(_read(session, KeepRow.id == keep_id)), None)

    def touching(self, camera: str, from_ms: int, to_ms: int) -> list[Keep]:
        """List those of a camera that overlap an interval. Raises UnknownCameraError."""
        with self._store.read() as session:
            of_camera = KeepRow.camera_id == camera_id_of(session, camera)
            return _read(session, of_camera, KeepRow.from_ms < to_ms, KeepRow.to_ms > from_ms)

    def add(self, camera: str, from_ms: int, to_ms: int, note: str = "") -> Keep:
        """Keep what a camera saw from `from_ms` on and before `to_ms`, as far as it is there, or comes.

        Raises UnknownCameraError, KeepError.
        """
        if to_ms <= from_ms:
            raise KeepError(f"to_ms is {to_ms}, expected more than from_ms {from_ms}")
        with self._store.write() as session:
            camera_id = camera_id_of(session, camera)
            if (session.scalar(select(func.count(KeepRow.id))) or 0) >= MAX_KEEPS:
                raise KeepError(f"{MAX_KEEPS} intervals are kept already: remove some first")
            row = KeepRow(
                camera_id=camera_id, from_ms=from_ms, to_ms=to_ms, note=note[:MAX_NOTE], made_ms=self._clock()
            )
            session.add(row)
            session.flush()
            (made,) = _read(session, KeepRow.id == row.id)
        return made

    def remove(self, keep_id: int) -> bool:
        """Leave an interval to retention again; False where there is none."""
        with self._store.write() as session:
            gone = delete(KeepRow).where(KeepRow.id == keep_id).returning(KeepRow.id)
            return session.scalar(gone) is not None


def _read(session: Session, *which: ColumnElement[bool]) -> list[Keep]:
    query = select(KeepRow, CameraRow, DeviceRow).join(CameraRow, CameraRow.id == KeepRow.camera_id)
    query = query.join(DeviceRow, DeviceRow.id == CameraRow.device_id).where(*which)
    rows = session.execute(query.order_by(KeepRow.camera_id, KeepRow.from_ms, KeepRow.id)).all()
    return [
        Keep(
            row.id, camera_path(device, owner), row.from_ms, row.to_ms, row.note, row.made_ms,
            _count(session, row),
        )
        for row, owner, device in rows
    ]  # fmt: skip


def _count(session: Session, row: KeepRow) -> int:
    touching = (
        SegmentRow.camera_id == row.camera_id,
        SegmentRow.start_ms > row.from_ms - _LONGEST_MS,  # for the index
        SegmentRow.start_ms < row.to_ms,
        SegmentRow.start_ms + SegmentRow.duration_ms > row.from_ms,
    )
    return session.scalar(select(func.count()).select_from(SegmentRow).where(*touching)) or 0
