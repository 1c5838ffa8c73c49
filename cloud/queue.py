"""The queue as those see it who look after it: how deep, who works, what failed, the last hour.

All of it within a scope: to whoever has a tenant's, jobs of others do not exist. Nor do those of segments
that their senders hide from a role; they are only counted.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Select, and_, func, select
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import ColumnElement

from cloud import jobs
from cloud.access.roles import EVERYWHERE, Role, Scope
from cloud.access.scoped import within
from cloud.catalog import camera_path
from cloud.clock import Clock, wall_ms
from cloud.jobs import STATES, JobError, JobView, State
from cloud.lanes import Lane
from cloud.leases import database_ms
from cloud.reasons import told
from cloud.schema import CameraRow, ClipRow, DeviceRow, JobRow, LiveRow, PacketRow, SegmentRow
from cloud.store import Store

HOUR_MS = 3_600_000
MAX_JOBS = 500  # in one answer


@dataclass(frozen=True, slots=True)
class Entry:
    """A job, and what it is about: `camera` is tenant/site/device/name. Times are in ms.

    `age_ms` is for how long it has waited, been rendered, or been closed.
    """

    job: JobView
    camera: str
    caption: str | None
    start_ms: int | None
    age_ms: int


@dataclass(frozen=True, slots=True)
class LaneCounts:
    """How many jobs of a lane are in which state."""

    lane: str
    queued: int
    running: int
    done: int
    dead: int
    cancelled: int
    late: int


@dataclass(frozen=True, slots=True)
class Hour:
    """What became of the last hour: jobs `done` and failed for good, and what a clip took to make on average.

    `render_ms` is None where no clip was made.
    """

    done: int
    dead: int
    late: int
    render_ms: int | None


@dataclass(frozen=True, slots=True)
class Overview:
    """The queue at `now_ms`. `oldest_ms` is when the first of those that wait was asked for.

    Live views left out `live_late` segments since ever, because they were not rendered in time.
    """

    now_ms: int
    lanes: Sequence[LaneCounts]
    hour: Hour
    oldest_ms: int | None
    live_late: int


class Queue:
    """Answers about jobs, and changes them. Safe to share between threads; raises StoreError."""

    def __init__(self, store: Store, clock: Clock = wall_ms) -> None:
        self._store = store
        self._clock = clock

    def overview(self, scope: Scope = EVERYWHERE) -> Overview:
        """Count what there is."""
        with self._store.read() as session:
            now_ms = self._clock()
            first = select(func.min(JobRow.asked_ms)).where(JobRow.state == "queued", *_inside(scope))
            lates = select(func.sum(LiveRow.late)).join(CameraRow, CameraRow.id == LiveRow.camera_id)
            lates = lates.join(DeviceRow, DeviceRow.id == CameraRow.device_id).where(*within(scope))
            return Overview(
                now_ms=now_ms,
                lanes=_lanes(session, scope),
                hour=_hour(session, scope, now_ms - HOUR_MS),
                oldest_ms=session.scalar(first),
                live_late=int(session.scalar(lates) or 0),
            )

    def listed(
        self,
        states: Collection[State] = STATES,
        lane: Lane | None = None,
        limit: int = 100,
        scope: Scope = EVERYWHERE,
        role: Role = Role.VIEWER,
    ) -> list[Entry]:
        """List jobs, the last changed first; only those that wait, in the order of their lanes."""
        query = _entries(role).where(JobRow.state.in_(states), *within(scope))
        if lane is not None:
            query = query.where(JobRow.lane == int(lane))
        if tuple(states) == ("queued",):
            query = query.order_by(JobRow.lane, JobRow.asked_ms, JobRow.packet_id)
        else:
            query = query.order_by(JobRow.changed_ms.desc(), JobRow.packet_id.desc())
        with self._store.read() as session:
            now_ms = database_ms(session)
            rows = session.execute(query.limit(max(1, min(limit, MAX_JOBS)))).all()
        return [_entry(role, *row, now_ms) for row in rows]

    def find(self, job_id: str, role: Role = Role.VIEWER) -> Entry:
        """Give one job, or raise JobError."""
        with self._store.read() as session:
            job = jobs.find(session, job_id)
            which = (JobRow.packet_id == job.packet_id, JobRow.look == job.look)
            row = session.execute(_entries(role).where(*which)).one_or_none()
            if row is None:
                raise JobError(f"job {job_id}: is not there")
            return _entry(role, *row, database_ms(session))

    def retry(self, job_id: str, role: Role = Role.OPERATOR) -> Entry:
        """Give a closed job another turn. Raises JobError."""
        with self._store.write() as session:
            again = jobs.retry(session, job_id, self._clock())
        return self.find(again, role)

    def cancel(self, job_id: str, role: Role = Role.OPERATOR) -> Entry:
        """Withdraw a job that waits or runs. Raises JobError."""
        with self._store.write() as session:
            job = jobs.find(session, job_id)
            if not jobs.cancel(session, job.packet_id, self._clock(), job.look):
                raise JobError(f"job {job_id}: is {job.state}")
        return self.find(job_id, role)


def _inside(scope: Scope) -> list[ColumnElement[bool]]:
    """Say that a job is of a camera within a scope."""
    if scope.is_everything:
        return []
    of_camera = select(PacketRow.id).join(CameraRow, CameraRow.id == PacketRow.camera_id)
    of_camera = of_camera.join(DeviceRow, DeviceRow.id == CameraRow.device_id)
    return [of_camera.where(PacketRow.id == JobRow.packet_id, *within(scope)).exists()]


def _entries(role: Role) -> "Select[JobRow, CameraRow, DeviceRow, str | None, int | None]":
    return (
        select(JobRow, CameraRow, DeviceRow, SegmentRow.caption, SegmentRow.start_ms)
        .join(PacketRow, PacketRow.id == JobRow.packet_id)
        .join(CameraRow, CameraRow.id == PacketRow.camera_id)
        .join(DeviceRow, DeviceRow.id == CameraRow.device_id)
        .outerjoin(SegmentRow, SegmentRow.packet_id == JobRow.packet_id)
        .where(func.coalesce(SegmentRow.viewers, int(Role.VIEWER)) <= role)
    )


def _entry(
    role: Role, job: JobRow, camera: CameraRow, device: DeviceRow, caption: str | None, start_ms: int | None,
    now_ms: int,
) -> Entry:  # fmt: skip
    since_ms = job.asked_ms if job.state == "queued" else job.changed_ms
    seen = replace(jobs.view(job), error=told(job.error, role))
    return Entry(seen, camera_path(device, camera), caption, start_ms, max(now_ms - since_ms, 0))


def _lanes(session: Session, scope: Scope) -> list[LaneCounts]:
    counted = select(JobRow.lane, JobRow.state, func.count()).where(*_inside(scope))
    found = {
        (lane, state): count
        for lane, state, count in session.execute(counted.group_by(JobRow.lane, JobRow.state))
    }
    return [
        LaneCounts(lane.name.lower(), **{state: found.get((int(lane), state), 0) for state in STATES})
        for lane in Lane
    ]


def _hour(session: Session, scope: Scope, since_ms: int) -> Hour:
    closed = ("done", "dead", "late")
    counted = select(JobRow.state, func.count()).where(JobRow.state.in_(closed), *_inside(scope))
    recent = counted.where(JobRow.changed_ms >= since_ms).group_by(JobRow.state)
    counts = dict.fromkeys(closed, 0) | dict(session.execute(recent).all())
    took = select(func.avg(ClipRow.render_ms)).where(ClipRow.made_ms >= since_ms)
    if not scope.is_everything:
        took = took.join(JobRow, and_(JobRow.packet_id == ClipRow.packet_id, JobRow.look == ClipRow.look))
        took = took.where(*_inside(scope))
    mean_ms = session.scalar(took)
    return Hour(counts["done"], counts["dead"], counts["late"], None if mean_ms is None else round(mean_ms))
