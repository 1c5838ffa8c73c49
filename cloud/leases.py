"""What workers do with the queue (`cloud.jobs`): take a job under a lease, keep it, and close it.

    take --> Lease(fence) --beat, beat--> finish | fail | give_back
                  '-- no beat for LEASE_MS: the job is queued again, and whoever takes it has a higher fence

The lease keeps two workers from doing the same work; the fence keeps two from publishing. Whoever closes a
job must hold its current fence, in the transaction in which its clip becomes visible, so a worker that was
asleep, cut off or declared dead by a clock that jumped finds that out there at the latest, and changes
nothing. A clock that jumps forward costs a rendering that is done twice; one that jumps back, time until a
dead worker's job is found. A take is on disk before it is told: a fence that a power cut took back would be
given out twice.

Leases are compared by one clock (`database_ms`): with PostgreSQL workers are on many machines, so it is the
database's; an SQLite file has all its workers on one machine, whose clock they share.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Update, and_, bindparam, func, or_, select, text, union_all, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import ColumnElement

from cloud import lanes
from cloud.candidates import Wish, choose, is_queued
from cloud.clock import wall_ms
from cloud.jobs import TOO_LATE
from cloud.lanes import MAX_ATTEMPTS
from cloud.registry import table_of
from cloud.schema import JobRow

LEASE_MS = 30_000  # how long a worker may be silent
BEAT_S = LEASE_MS / 1000 / 3  # two beats may be lost
_DATABASE_MS = text("SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)")

_JOBS = table_of(JobRow)
_OVERDUE = union_all(
    select(_JOBS.c.packet_id).where(_JOBS.c.state == "running", _JOBS.c.lease_ms <= bindparam("now_ms")),
    select(_JOBS.c.packet_id).where(_JOBS.c.state == "queued", _JOBS.c.late_ms <= bindparam("now_ms")),
).limit(1)
_TAKE = (
    update(_JOBS)
    .where(_JOBS.c.packet_id == bindparam("b_id"), _JOBS.c.look == bindparam("b_look"))
    .values(
        state="running", worker=bindparam("name"), fence=_JOBS.c.fence + 1, attempts=_JOBS.c.attempts + 1,
        lease_ms=bindparam("lease"), changed_ms=bindparam("now_ms"),
    )
    .returning(_JOBS.c.turn, _JOBS.c.fence, _JOBS.c.attempts)
)  # fmt: skip

SessionClock = Callable[[Session], int]


class LeaseLostError(RuntimeError):
    """The job is somebody else's now: what was made of it must not be published."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A job that is this worker's. `attempt` counts from 1: more, and another one may have left something."""

    packet_id: int
    camera_id: int
    turn: int
    fence: int
    attempt: int
    look: str = ""


def database_ms(session: Session) -> int:
    """Tell the time that leases are compared by: milliseconds of the Unix epoch."""
    if session.get_bind().dialect.name == "postgresql":
        return int(session.scalar(_DATABASE_MS) or 0)
    return wall_ms()


def is_due(session: Session, now_ms: int) -> bool:
    """Tell whether `take` has something to do; takes no lock."""
    due, expired = is_queued(now_ms), _is_expired(now_ms)
    return session.scalar(select(JobRow.packet_id).where(or_(due, expired)).limit(1)) is not None


def depth(session: Session, now_ms: int, limit: int) -> int:
    """Count the jobs that wait for a worker, up to `limit`."""
    some = select(JobRow.packet_id).where(is_queued(now_ms)).limit(limit).subquery()
    return session.scalar(select(func.count()).select_from(some)) or 0


def take(session: Session, worker: str, now_ms: int, wish: Wish = Wish()) -> Lease | None:  # noqa: B008 -- frozen
    """Take the next due job for `worker`, as far as possible one that it would like.

    Also puts back what others dropped dead over, and drops what comes too late. Of two workers on PostgreSQL
    neither waits for the other: each takes what the other has not locked.
    """
    session.flush()
    connection = session.connection()
    if connection.execute(_OVERDUE, {"now_ms": now_ms}).first() is not None:
        reclaim(session, now_ms)
        drop_late(session, now_ms)
    chosen = choose(session, now_ms, wish)
    if chosen is None:
        return None
    values = {"b_id": chosen.packet_id, "b_look": chosen.look, "now_ms": now_ms, "lease": now_ms + LEASE_MS}
    turn, fence, attempts = connection.execute(_TAKE, values | {"name": worker}).one()
    return Lease(chosen.packet_id, chosen.camera_id, turn, fence, attempts, chosen.look)


def beat(session: Session, lease: Lease, now_ms: int) -> bool:
    """Keep a lease; False if it is lost, or the job is cancelled."""
    kept = update(JobRow).where(*_is_mine(lease, "running")).values(lease_ms=now_ms + LEASE_MS)
    return _changes(session, kept)


def is_kept(session: Session, lease: Lease) -> bool:
    """Tell whether a job is still this worker's, and wanted."""
    return session.scalar(select(JobRow.packet_id).where(*_is_mine(lease, "running"))) is not None


def finish(session: Session, lease: Lease, now_ms: int, result_ref: str) -> None:
    """Close a job whose clip is there. What was made in spite of being withdrawn is done.

    Raises LeaseLostError: then the whole transaction is to be rolled back.
    """
    closed = update(JobRow).where(*_is_mine(lease, "running", "cancelled", "late"))
    values = {"state": "done", "error": None, "result_ref": result_ref, "lease_ms": 0, "changed_ms": now_ms}
    if not _changes(session, closed.values(values)):
        raise LeaseLostError(
            f"job {lease.packet_id}-{lease.turn}: fence {lease.fence} is no longer the current one"
        )


def fail(
    session: Session, lease: Lease, now_ms: int, error: str, *, passing: bool, pause: bool = True
) -> bool:
    """Say why a job could not be done; True if it is tried again, False if it is dead or not ours.

    What is `passing` is tried again, after a `pause`, but not for ever.
    """
    again = passing and lease.attempt < MAX_ATTEMPTS
    values: dict[str, object] = {"state": "queued" if again else "dead", "error": error, "changed_ms": now_ms}
    values |= {"lease_ms": 0, "not_before_ms": now_ms + (lanes.pause_ms(lease.attempt) if pause else 0)}
    return _changes(session, update(JobRow).where(*_is_mine(lease, "running")).values(values)) and again


def give_back(session: Session, lease: Lease, now_ms: int, pause_ms: int = 0) -> bool:
    """Put a job back as if it had never been taken: its worker was told to stop, or it is not its time yet.

    False if it is not this worker's any more, or was cancelled.
    """
    values = {"state": "queued", "attempts": JobRow.attempts - 1, "lease_ms": 0, "changed_ms": now_ms}
    values |= {"not_before_ms": now_ms + pause_ms} if pause_ms else {}
    return _changes(session, update(JobRow).where(*_is_mine(lease, "running")).values(values))


def reclaim(session: Session, now_ms: int) -> int:
    """Queue the jobs again whose worker fell silent; give how many. What workers often die over is dead.

    Their fence grows at once: whoever had them cannot publish from now on, also if nobody takes them.
    """
    expired = select(JobRow).where(_is_expired(now_ms)).with_for_update(skip_locked=True)
    jobs = session.scalars(expired.execution_options(populate_existing=True)).all()
    for job in jobs:
        job.state, job.fence, job.lease_ms, job.changed_ms = "queued", job.fence + 1, 0, now_ms
        if job.attempts >= MAX_ATTEMPTS:
            job.state, job.error = "dead", f"the worker stopped {job.attempts} times while rendering this"
    session.flush()
    return len(jobs)


def drop_late(session: Session, now_ms: int) -> int:
    """Close the jobs that come too late for whoever wanted them; give how many."""
    late = select(JobRow).where(JobRow.state == "queued", JobRow.late_ms <= now_ms)
    jobs = session.scalars(
        late.with_for_update(skip_locked=True).execution_options(populate_existing=True)
    ).all()
    for job in jobs:
        job.state, job.error, job.changed_ms = "late", TOO_LATE, now_ms
    session.flush()
    return len(jobs)


def _is_expired(now_ms: int) -> ColumnElement[bool]:
    return and_(JobRow.state == "running", JobRow.lease_ms <= now_ms)


def _is_mine(lease: Lease, *states: str) -> tuple[ColumnElement[bool], ...]:
    return (
        JobRow.packet_id == lease.packet_id, JobRow.look == lease.look, JobRow.fence == lease.fence,
        JobRow.state.in_(states),
    )  # fmt: skip


def _changes(session: Session, change: Update) -> bool:
    changed = change.returning(JobRow.packet_id).execution_options(synchronize_session=False)
    return session.scalar(changed) is not None
