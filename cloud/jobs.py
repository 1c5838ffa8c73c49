"""The queue of what is to be rendered: one job a segment, kept in the store.

    queued --take--> running --finish--> done | failed | cancelled --enqueue--> queued
       '-----------------'------- cancel ----------------'
       '-----------------'  requeue, when a worker is told to stop;
                            requeue_running, when one starts: what ran then was cut off

Someone who waits comes first, then live segments, then backlog; within each, the oldest first.
"""

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session

from cloud.schema import JobRow, PacketRow

NEXT_SEGMENT_PATIENCE_MS = 4_000  # a segment is rendered better once the next one's keyframe is there
MAX_ATTEMPTS = 3  # times that a worker may die over the same job


def enqueue(
    session: Session, packet_id: int, now_ms: int, *, not_before_ms: int = 0, urgent: bool = False
) -> None:
    """Ask for a segment; a job that waits is hastened, one that failed or was cancelled starts over."""
    job = session.get(JobRow, packet_id)
    if job is None:
        job = JobRow(packet_id=packet_id, state="done", urgent=False, not_before_ms=0, changed_ms=now_ms)
        session.add(job)
    if job.state in ("done", "failed", "cancelled"):
        job.state, job.attempts, job.error = "queued", 0, None
        job.urgent, job.not_before_ms, job.changed_ms = urgent, not_before_ms, now_ms
    elif job.state == "queued":
        job.urgent = job.urgent or urgent
        job.not_before_ms = min(job.not_before_ms, not_before_ms)


def retry_failed(session: Session, packet_id: int, now_ms: int) -> None:
    """Queue a failed job again: what it lacked may have come."""
    job = session.get(JobRow, packet_id)
    if job is not None and job.state == "failed":
        enqueue(session, packet_id, now_ms)


def is_due(session: Session, now_ms: int) -> bool:
    """Tell whether `take` would find a job; takes no lock."""
    return session.scalar(_due(now_ms)) is not None


def is_running(session: Session, packet_id: int) -> bool:
    """Tell whether a job that was taken is still wanted: not cancelled, nor asked for again after that."""
    return session.scalar(select(JobRow.state).where(JobRow.packet_id == packet_id)) == "running"


def take(session: Session, now_ms: int) -> int | None:
    """Mark the next due job as running and give its packet's id."""
    job = session.scalar(_due(now_ms))
    if job is None:
        return None
    job.state, job.attempts, job.changed_ms = "running", job.attempts + 1, now_ms
    return job.packet_id


def finish(session: Session, packet_id: int, now_ms: int, error: str | None = None) -> None:
    """Close a job; with `error` it failed. What was made in spite of being cancelled is done."""
    if error is None:
        closed = update(JobRow).where(JobRow.packet_id == packet_id)
        session.execute(closed.values(state="done", error=None, changed_ms=now_ms))
    else:
        running = update(JobRow).where(JobRow.packet_id == packet_id, JobRow.state == "running")
        session.execute(running.values(state="failed", error=error, changed_ms=now_ms))


def cancel(session: Session, packet_id: int, now_ms: int) -> bool:
    """Withdraw the wish for a segment; False if it neither waits nor runs.

    One that waits is never started; one that runs is given up at its worker's next step.
    """
    open_job = update(JobRow).where(JobRow.packet_id == packet_id, JobRow.state.in_(("queued", "running")))
    closed = open_job.values(state="cancelled", error=None, changed_ms=now_ms).returning(JobRow.packet_id)
    return session.scalar(closed) is not None


def requeue(session: Session, packet_id: int, now_ms: int) -> bool:
    """Put a running job back as if it had never been taken: its worker was told to stop.

    False if it is not running any more: it was cancelled.
    """
    running = update(JobRow).where(JobRow.packet_id == packet_id, JobRow.state == "running")
    again = running.values(state="queued", attempts=JobRow.attempts - 1, changed_ms=now_ms)
    return session.scalar(again.returning(JobRow.packet_id)) is not None


def requeue_running(session: Session, now_ms: int) -> int:
    """Queue what a worker left running when it stopped; give how many. Jobs that it died over often fail."""
    jobs = session.scalars(select(JobRow).where(JobRow.state == "running")).all()
    for job in jobs:
        job.state, job.changed_ms = "queued", now_ms
        if job.attempts >= MAX_ATTEMPTS:
            job.state, job.error = "failed", f"the worker stopped {job.attempts} times while rendering this"
    return len(jobs)


def _due(now_ms: int) -> "Select[JobRow]":
    return (
        select(JobRow)
        .join(PacketRow, PacketRow.id == JobRow.packet_id)
        .where(JobRow.state == "queued", JobRow.not_before_ms <= now_ms)
        .order_by(JobRow.urgent.desc(), PacketRow.historical, JobRow.packet_id)
        .limit(1)
    )
