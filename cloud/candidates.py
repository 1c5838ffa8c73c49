"""Which job a worker takes next (`cloud.leases`), in the order of `cloud.lanes`.

the next few by rank --> preferred: this worker's camera, then those that nobody renders --> the first free
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import ARRAY, Integer, String, and_, bindparam, func, select
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import ColumnElement

from cloud.lanes import AGED_MS
from cloud.registry import table_of
from cloud.schema import JobRow, PacketRow

_AT_ONCE = 16  # of which one is chosen by its camera; where more workers begin at once, some come again
_TOGETHER_MS = 2_000  # jobs asked for within this of the first are equally urgent

# Tables, not classes: this is asked for every job, and makes no objects.
_JOBS, _PACKETS = table_of(JobRow), table_of(PacketRow)
_DUE = (
    select(_JOBS.c.packet_id, _PACKETS.c.camera_id, _JOBS.c.lane, _JOBS.c.asked_ms, _JOBS.c.look)
    .join(_PACKETS, _PACKETS.c.id == _JOBS.c.packet_id)
    .where(_JOBS.c.state == "queued", _JOBS.c.not_before_ms <= bindparam("now_ms"))
    .limit(_AT_ONCE)
)
_BUSY = (
    select(_PACKETS.c.camera_id)
    .join(_JOBS, _JOBS.c.packet_id == _PACKETS.c.id)
    .where(_JOBS.c.state == "running")
)
_BY_LANE = _DUE.order_by(_JOBS.c.lane, _JOBS.c.asked_ms, _JOBS.c.packet_id)
_AGED = _DUE.where(_JOBS.c.asked_ms <= bindparam("aged_ms")).order_by(_JOBS.c.asked_ms, _JOBS.c.packet_id)
_AT_REST = _PACKETS.c.camera_id.not_in(bindparam("busy", expanding=True))
_BY_LANE_AT_REST, _AGED_AT_REST = _BY_LANE.where(_AT_REST), _AGED.where(_AT_REST)
_NAMES = bindparam("names", type_=ARRAY(String))
_IDS = bindparam("ids", expanding=True, type_=Integer())
_NAME = _JOBS.c.packet_id.cast(String) + "/" + _JOBS.c.look
_PLACE = func.array_position(_NAMES, _NAME)
_FREE = (  # PostgreSQL's: what another worker has locked is passed over
    select(_NAME)
    .where(_JOBS.c.packet_id.in_(_IDS), _PLACE.is_not(None), _JOBS.c.state == "queued")
    .order_by(_PLACE)
    .limit(1)
    .with_for_update(skip_locked=True)
)


class Candidate(NamedTuple):
    """A job that may be taken next."""

    packet_id: int
    camera_id: int
    lane: int
    asked_ms: int
    look: str = ""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a worker would like: one more job of its camera; in its turn, the oldest `fair`ly.

    With `in_turn`, none of a camera that is being rendered: clips go on from each other.
    """

    camera_id: int | None = None
    fair: bool = False
    in_turn: bool = False


def choose(session: Session, now_ms: int, wish: Wish) -> Candidate | None:
    """Choose a job, and lock it; None where there is none, or others have all that there are."""
    found = _candidates(session, now_ms, wish)
    if found and session.get_bind().dialect.name == "postgresql":
        named = {f"{each.packet_id}/{each.look}": each for each in found}
        ids = sorted({each.packet_id for each in found})
        free = session.connection().execute(_FREE, {"ids": ids, "names": list(named)}).scalar()
        return named.get(str(free))
    return found[0] if found else None  # SQLite: this transaction is the only one that writes


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


def _candidates(session: Session, now_ms: int, wish: Wish) -> list[Candidate]:
    connection = session.connection()
    busy = frozenset(connection.execute(_BUSY).scalars())
    aged, by_lane = (_AGED_AT_REST, _BY_LANE_AT_REST) if wish.in_turn else (_AGED, _BY_LANE)
    given: dict[str, object] = {"now_ms": now_ms} | ({"busy": sorted(busy)} if wish.in_turn else {})
    if wish.fair:
        found = connection.execute(aged, given | {"aged_ms": now_ms - AGED_MS}).all()
        if found:
            return [Candidate(*row) for row in found]
    due = [Candidate(*row) for row in connection.execute(by_lane, given)]
    return preferred(due, wish.camera_id, busy)
