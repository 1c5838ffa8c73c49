"""Which jobs a worker tries to take next (`cloud.leases`), in the order of `cloud.lanes`."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import and_, select
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import ColumnElement

from cloud.lanes import AGED_MS
from cloud.schema import JobRow, PacketRow

_AT_ONCE = 16  # of which one is chosen by its camera; where as many workers begin at once, some come again
_TOGETHER_MS = 2_000  # jobs asked for within this of the first are equally urgent


@dataclass(frozen=True, slots=True)
class Candidate:
    """A job that may be taken next."""

    packet_id: int
    camera_id: int
    lane: int
    asked_ms: int


def candidates(session: Session, now_ms: int, camera_id: int | None, *, fair: bool) -> list[Candidate]:
    """Give the jobs that are next, in the order in which to try them; takes no lock."""
    if fair and (aged := _next(session, now_ms, aged_only=True)):
        return aged
    found = _next(session, now_ms)
    if len(found) < 2:
        return found
    running = select(PacketRow.camera_id).join(JobRow, JobRow.packet_id == PacketRow.id)
    busy = frozenset(session.scalars(running.where(JobRow.state == "running")))
    return preferred(found, camera_id, busy)


def preferred(
    candidates: Sequence[Candidate], camera_id: int | None, busy: frozenset[int]
) -> list[Candidate]:
    """Put jobs that are in their order in the one in which a worker tries them: it stays with its camera.

    Then the cameras that nobody renders at present: where one clip goes on from the other, those of a camera
    are made one after the other anyway. Only among the equally urgent: of the lane of the first, and asked
    for at about the same time. Pure.
    """
    if not candidates:
        return []
    first = candidates[0]

    def choice(job: Candidate) -> tuple[bool, bool, bool]:
        together = job.lane == first.lane and job.asked_ms - first.asked_ms <= _TOGETHER_MS
        return (not together, job.camera_id != camera_id, job.camera_id in busy)

    return sorted(candidates, key=choice)


def is_queued(now_ms: int) -> ColumnElement[bool]:
    """Say that a job may be taken, in SQL."""
    return and_(JobRow.state == "queued", JobRow.not_before_ms <= now_ms)


def _next(session: Session, now_ms: int, *, aged_only: bool = False) -> list[Candidate]:
    """List jobs by `lanes.rank`."""
    query = select(JobRow.packet_id, JobRow.lane, JobRow.asked_ms).where(is_queued(now_ms))
    if aged_only:
        aged = query.where(JobRow.asked_ms <= now_ms - AGED_MS)
        query = aged.order_by(JobRow.asked_ms, JobRow.packet_id)
    else:
        query = query.order_by(JobRow.lane, JobRow.asked_ms, JobRow.packet_id)
    rows = session.execute(query.limit(_AT_ONCE)).all()
    of = select(PacketRow.id, PacketRow.camera_id).where(PacketRow.id.in_([row[0] for row in rows]))
    cameras = dict(session.execute(of).all()) if rows else {}
    return [Candidate(packet_id, cameras[packet_id], lane, asked_ms) for packet_id, lane, asked_ms in rows]
