"""Which packets go together: a refresh and all that is decoded from it.

    one camera and boot   | refresh . . . . | refresh . . . . | refresh . .
                          '---- group ------'---- group ------'---- open: more may come that hangs on it

A group goes as a whole, so what is left is decoded as before. One that may still grow is left alone for as
long as a device keeps what it could not send: the last of its boot, or one with a hole in it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from cloud.registry import table_of
from cloud.schema import BootRow, KeepRow, PacketRow, SegmentRow
from cloud.watermark import Watermark

OPEN_MS = 8 * 86_400_000  # a spool keeps packets for a week (edge/spool.py)
SPAN = 16_384  # sequences that a group reaches over: a minute at the usual rate limit is 6,000

_PACKETS, _SEGMENTS = table_of(PacketRow), table_of(SegmentRow)
_OF = (_PACKETS.c.camera_id == bindparam("camera_id"), _PACKETS.c.boot_id == bindparam("boot_id"))
_REFRESHES = select(_PACKETS.c.sequence).where(*_OF, _PACKETS.c.refresh, _PACKETS.c.gap.is_(False)).limit(1)
_START = _REFRESHES.where(_PACKETS.c.sequence.between(bindparam("low"), bindparam("sequence"))).order_by(
    _PACKETS.c.sequence.desc()
)
_NEXT = _REFRESHES.where(_PACKETS.c.sequence.between(bindparam("sequence") + 1, bindparam("high"))).order_by(
    _PACKETS.c.sequence
)
_CONTENT = (
    select(_PACKETS.c.id, _PACKETS.c.size, _PACKETS.c.received_ms, _PACKETS.c.underived)
    .where(*_OF, _PACKETS.c.gap.is_(False))
    .where(_PACKETS.c.sequence >= bindparam("first"), _PACKETS.c.sequence < bindparam("end"))
)
_TIMES = (
    select(func.min(_SEGMENTS.c.start_ms), func.max(_SEGMENTS.c.start_ms + _SEGMENTS.c.duration_ms))
    .join(_PACKETS, _PACKETS.c.id == _SEGMENTS.c.packet_id)
    .where(*_OF, _PACKETS.c.sequence >= bindparam("first"), _PACKETS.c.sequence < bindparam("end"))
)


class Place(NamedTuple):
    """Where a packet is."""

    camera_id: int
    boot_id: int
    sequence: int


@dataclass(frozen=True, slots=True)
class Group:
    """Packets of a camera and boot: sequences `first` to `end`, the latter excluded.

    It is `closed` if another group follows.
    """

    camera_id: int
    boot_id: int
    first: int
    end: int
    closed: bool

    def holds(self, place: Place) -> bool:
        """Tell whether a packet belongs to it."""
        mine = (self.camera_id, self.boot_id) == (place.camera_id, place.boot_id)
        return mine and self.first <= place.sequence < self.end


@dataclass(frozen=True, slots=True)
class Content:
    """The packets of a group, by row id, and their bytes."""

    packet_ids: tuple[int, ...]
    size: int


@dataclass(frozen=True, slots=True)
class Rule:
    """What may go at `now_ms`: all that came before `before_ms`, or anything where that is None."""

    now_ms: int
    before_ms: int | None = None


def groups_of(session: Session, places: Iterable[Place]) -> list[Group]:
    """Give the groups of packets, each once, in the order of these."""
    groups = list[Group]()
    latest = dict[tuple[int, int], Group]()
    for place in places:
        key = (place.camera_id, place.boot_id)
        if key not in latest or not latest[key].holds(place):
            latest[key] = _group_of(session, place)
            groups.append(latest[key])
    return list(dict.fromkeys(groups))


def content_of(session: Session, group: Group, rule: Rule) -> Content | None:
    """Give what goes with a group; None if it has to stay, or is gone.

    It stays while it is newer than the rule says, may grow, is being derived, or is kept. The packet that was
    stored last stays in any case: SQLite would give its id out again.
    """
    place = {"camera_id": group.camera_id, "boot_id": group.boot_id, "first": group.first, "end": group.end}
    rows = session.connection().execute(_CONTENT, place).all()
    if not rows or any(row.underived is not None for row in rows):
        return None
    newest_ms = max(row.received_ms for row in rows)
    if rule.before_ms is not None and newest_ms >= rule.before_ms:
        return None
    if newest_ms >= rule.now_ms - OPEN_MS and _may_grow(session, group):
        return None
    ids = tuple(row.id for row in rows)
    if session.scalar(select(func.max(PacketRow.id))) in ids or _is_kept(session, group, place):
        return None
    return Content(ids, sum(row.size for row in rows))


def _group_of(session: Session, place: Place) -> Group:
    camera_id, boot_id, sequence = place
    given = {"camera_id": camera_id, "boot_id": boot_id, "sequence": sequence}
    low, high = max(sequence - SPAN + 1, 0), sequence + SPAN
    connection = session.connection()
    first = connection.execute(_START, given | {"low": low}).scalar()
    following = connection.execute(_NEXT, given | {"high": high}).scalar()
    closed = following is not None
    return Group(camera_id, boot_id, low if first is None else first, following or high, closed)


def _may_grow(session: Session, group: Group) -> bool:
    if not group.closed:
        return True
    boot = session.get_one(BootRow, group.boot_id)
    return bool(Watermark.parse(boot.highest, boot.holes).missing(group.first, group.end - 1))


def _is_kept(session: Session, group: Group, place: dict[str, int]) -> bool:
    """Tell whether any of a group is to be kept."""
    of_camera = select(KeepRow.id).where(KeepRow.camera_id == group.camera_id).limit(1)
    if session.scalar(of_camera) is None:
        return False
    from_ms, to_ms = session.connection().execute(_TIMES, place).one()
    if from_ms is None:
        return False
    return session.scalar(of_camera.where(KeepRow.from_ms < to_ms, KeepRow.to_ms > from_ms)) is not None
