"""The queue of what is to be rendered: one job a segment and look, kept in the store.

    queued --lease--> running --> done | dead | cancelled --enqueue--> queued
       |  '<-- lease expired,        (dead: failed for good, the dead-letter list)
       |       failed for now --'
       '--> cancelled | late (nobody needs the live view of a while ago)

Here is what those do who want something rendered, or not any more; `cloud.leases` is what workers do.

A job's id is PACKET-TURN, with -LOOK where it has one: the turn counts how often the segment was wished for
anew. What became of one turn (`result_ref`, the fingerprint of its clip) never changes; another wish is
another turn.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from sqlalchemy import func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from cloud.lanes import Lane
from cloud.schema import JobRow

NEXT_SEGMENT_PATIENCE_MS = 4_000  # a segment is rendered better once the next one's keyframe is there

TOO_LATE = "rendering did not keep up with the live view"

State = Literal["queued", "running", "done", "dead", "cancelled", "late"]
STATES: tuple[State, ...] = get_args(State)
_OPEN = ("queued", "running")


class JobError(ValueError):
    """There is no such job, or it is not in a state for this; the message names it."""


@dataclass(frozen=True, slots=True)
class JobView:
    """A job as people and programs see it; times are in ms of the Unix epoch.

    `attempts` counts how often a worker began; `worker` is who has it, or had it last.
    """

    id: str
    segment: int
    state: str
    lane: str
    asked_ms: int
    not_before_ms: int
    attempts: int
    worker: str | None
    lease_ms: int | None
    error: str | None
    result_ref: str | None
    changed_ms: int


def enqueue(
    session: Session,
    packet_id: int,
    now_ms: int,
    *,
    lane: Lane = Lane.BACKFILL,
    not_before_ms: int = 0,
    late_ms: int | None = None,
    look: str = "",
) -> None:
    """Ask for a segment; a job that waits is hastened, one that is closed has another turn.

    Not before `not_before_ms`. From `late_ms` on nobody needs it any more: then it is dropped. Who asks again
    without that needs it at any time.
    """
    job = _locked(session, packet_id, look)
    if job is None:
        _insert(session, packet_id, now_ms, look)
        job = _locked(session, packet_id, look)
    if job is None:
        raise JobError(f"job of segment {packet_id}: vanished while it was written")
    if job.state not in _OPEN:
        job.turn, job.fence = job.turn + 1, job.fence + 1
        job.state, job.attempts, job.error, job.result_ref = "queued", 0, None, None
        job.lane, job.not_before_ms, job.late_ms = int(lane), not_before_ms, late_ms
        job.asked_ms = job.changed_ms = now_ms
    else:
        job.late_ms = None if job.late_ms is None or late_ms is None else max(job.late_ms, late_ms)
        if job.state == "queued":
            if lane < job.lane:
                job.lane, job.asked_ms = int(lane), now_ms
            if job.attempts == 0:  # one that failed waits out its pause, however often a viewer asks
                job.not_before_ms = min(job.not_before_ms, not_before_ms)


def retry_failed(session: Session, packet_id: int, now_ms: int) -> None:
    """Queue the jobs of a segment that failed for good again: what they lacked may have come."""
    dead = select(JobRow).where(JobRow.packet_id == packet_id, JobRow.state == "dead")
    for job in session.scalars(dead).all():
        enqueue(session, packet_id, now_ms, lane=Lane(job.lane), look=job.look)


def cancel(session: Session, packet_id: int, now_ms: int, look: str = "") -> bool:
    """Withdraw the wish for a segment; False if it neither waits nor runs.

    One that waits is never started; one that runs is given up at its worker's next step.
    """
    return _close(session, (packet_id, look), now_ms, "cancelled", None)


def leave_out(session: Session, packet_id: int, now_ms: int, look: str = "") -> bool:
    """Withdraw the wish of a live view that has gone on without this segment; else as `cancel`."""
    return _close(session, (packet_id, look), now_ms, "late", TOO_LATE)


def _close(session: Session, key: tuple[int, str], now_ms: int, state: State, error: str | None) -> bool:
    is_it = (JobRow.packet_id == key[0], JobRow.look == key[1])
    open_job = update(JobRow).where(*is_it, JobRow.state.in_(_OPEN))
    closed = open_job.values(state=state, error=error, changed_ms=now_ms).returning(JobRow.packet_id)
    return session.scalar(closed) is not None


def retry(session: Session, job_id: str, now_ms: int) -> str:
    """Give a closed job another turn, and the id of that. Raises JobError."""
    job = find(session, job_id)
    if job.state in _OPEN:
        raise JobError(f"job {job_id}: is {job.state}")
    enqueue(session, job.packet_id, now_ms, lane=Lane(job.lane), look=job.look)
    return id_of(job)


def find(session: Session, job_id: str) -> JobRow:
    """Give the job of this id, or raise JobError; of a turn that is over nothing is kept."""
    packet, _, rest = job_id.partition("-")
    # PostgreSQL refuses to compare with what is no integer of its own.
    known = len(packet) <= 10 and packet.isascii() and packet.isdigit() and int(packet) < 2**31
    job = session.get(JobRow, (int(packet), rest.partition("-")[2])) if known else None
    if job is None or job_id != id_of(job):
        raise JobError(f"job {job_id}: is not there")
    return job


def listed(session: Session, states: Collection[str] = STATES, limit: int = 100) -> Sequence[JobView]:
    """List jobs, the last changed first."""
    query = select(JobRow).where(JobRow.state.in_(states))
    rows = session.scalars(query.order_by(JobRow.changed_ms.desc(), JobRow.packet_id.desc()).limit(limit))
    return [view(row) for row in rows]


def counts(session: Session) -> dict[str, int]:
    """Count jobs by state; those that nobody needed in time are the `late` ones."""
    found = session.execute(select(JobRow.state, func.count()).group_by(JobRow.state)).all()
    return dict.fromkeys(STATES, 0) | dict(found)


def id_of(job: JobRow) -> str:
    """Name a job."""
    return f"{job.packet_id}-{job.turn}" + (f"-{job.look}" if job.look else "")


def view(job: JobRow) -> JobView:
    """Show a job."""
    return JobView(
        id=id_of(job),
        segment=job.packet_id,
        state=job.state,
        lane=Lane(job.lane).name.lower(),
        asked_ms=job.asked_ms,
        not_before_ms=job.not_before_ms,
        attempts=job.attempts,
        worker=job.worker,
        lease_ms=job.lease_ms if job.state == "running" else None,
        error=job.error,
        result_ref=job.result_ref,
        changed_ms=job.changed_ms,
    )


def _locked(session: Session, packet_id: int, look: str) -> JobRow | None:
    return session.get(JobRow, (packet_id, look), with_for_update=True, populate_existing=True)


def _insert(session: Session, packet_id: int, now_ms: int, look: str) -> None:
    """Make the row, closed, unless another process has just made it: it is locked next."""
    row = {
        "packet_id": packet_id,
        "look": look,
        "state": "done",
        "lane": int(Lane.BACKFILL),
        "asked_ms": now_ms,
    }
    row |= {"not_before_ms": 0, "changed_ms": now_ms, "turn": 0, "attempts": 0, "fence": 0, "lease_ms": 0}
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    session.execute(insert(JobRow).values(row).on_conflict_do_nothing())
