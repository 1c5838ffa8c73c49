"""What its sender wants gone: packets whose time is over go by themselves, whatever else would keep them.

    expires_ms of segments (`cloud.bound`) --oldest first--> packet, segment, job, clip, hits, at once

Neither the operator's longer limit, nor an interval that is kept, nor what hangs on it holds one back: what
hangs on it is bound by its days, too, and came no later than a group takes. The packet that was stored last
leaves an empty place, a gap record, because SQLite would give its id out again.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from cloud.registry import table_of
from cloud.retention.groups import Content
from cloud.retention.removal import AT_ONCE, Removed, count_down, delete_packets
from cloud.schema import AlertHitRow, BootRow, PacketRow, QuarantineRow, SegmentRow
from wire import gap
from wire.gap import Gap, GapReason
from wire.packet import Layer, Packet

_PACKETS, _HITS, _QUARANTINE = table_of(PacketRow), table_of(AlertHitRow), table_of(QuarantineRow)


class Expired(NamedTuple):
    """A packet, and where it is."""

    id: int
    boot_id: int
    camera_id: int
    sequence: int
    size: int


def remove_expired(session: Session, now_ms: int) -> Removed:
    """Remove the first of what is over at `now_ms`; it has `seen` none once there is nothing left."""
    rows, removed = expired(session, now_ms, AT_ONCE), Removed()
    removed.seen = len(rows)
    if not rows:
        return removed
    boots = sorted({row.boot_id for row in rows})
    # As `remove_groups` does: who stores or derives packets of these waits, and sees all or nothing of it.
    session.scalars(
        select(BootRow.id).where(BootRow.id.in_(boots)).order_by(BootRow.id).with_for_update()
    ).all()
    last = session.scalar(select(func.max(PacketRow.id)))
    going = [row.id for row in rows]
    for row in rows:
        removed.tallies.of(row.camera_id).add(Content((row.id,), row.size))
    session.connection().execute(delete(_HITS).where(_HITS.c.packet_id.in_(going)))
    _forget_copies(session, going)
    removed.note(session, delete_packets(session, going, but=last))
    for row in rows:
        if row.id == last:
            _empty(session, row)
    count_down(session, removed.tallies, {})
    return removed


def expired(session: Session, now_ms: int, most: int) -> Sequence[Expired]:
    """Give the first packets whose time is over."""
    columns = (PacketRow.id, PacketRow.boot_id, PacketRow.camera_id, PacketRow.sequence, PacketRow.size)
    query = select(*columns).join(SegmentRow, SegmentRow.packet_id == PacketRow.id)
    query = query.where(SegmentRow.expires_ms.is_not(None), SegmentRow.expires_ms <= now_ms)
    rows = session.execute(query.order_by(SegmentRow.expires_ms, PacketRow.id).limit(most))
    return [Expired(*row) for row in rows]


def _forget_copies(session: Session, packet_ids: Sequence[int]) -> None:
    """Remove from the quarantine what was put there because it could not be derived."""
    faulty = select(PacketRow.body).join(SegmentRow, SegmentRow.packet_id == PacketRow.id)
    faulty = faulty.where(PacketRow.id.in_(packet_ids), SegmentRow.fault.is_not(None))
    bodies = session.scalars(faulty).all()
    if bodies:
        session.connection().execute(delete(_QUARANTINE).where(_QUARANTINE.c.frame.in_(bodies)))


def _empty(session: Session, row: Expired) -> None:
    """Leave nothing of a packet but its place."""
    given_up = gap.encode(Gap(row.sequence, row.sequence, GapReason.EXPIRED))
    body = bytes(Packet(row.sequence, 0, 0, {Layer.GAP: given_up}))
    emptied = update(_PACKETS).where(_PACKETS.c.id == row.id)
    session.connection().execute(emptied.values(body=body, gap=True, refresh=False, size=0, underived=None))
