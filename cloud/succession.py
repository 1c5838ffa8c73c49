"""Which packet comes before which, in one camera and boot, and what hangs on it."""

from collections.abc import Iterable
from contextlib import closing
from typing import NamedTuple

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.orm import Session

from cloud.bound import FREE, Bound
from cloud.intake import AGAIN
from cloud.lost import is_lost, lost_ranges
from cloud.registry import table_of
from cloud.scene import begins_anew
from cloud.schema import PacketRow, SegmentRow
from wire.packet import Packet

_PACKETS, _SEGMENTS = table_of(PacketRow), table_of(SegmentRow)
# Written once: to compose a statement takes longer than to run it.
_BEFORE = (
    select(
        _PACKETS.c.id, _PACKETS.c.sequence, _PACKETS.c.gap, _PACKETS.c.underived,
        _SEGMENTS.c.caption, _SEGMENTS.c.fault, _SEGMENTS.c.packet_id.is_not(None), _SEGMENTS.c.binds,
    )
    .outerjoin(_SEGMENTS, _SEGMENTS.c.packet_id == _PACKETS.c.id)
    .where(_PACKETS.c.camera_id == bindparam("camera_id"), _PACKETS.c.boot_id == bindparam("boot_id"))
    .where(_PACKETS.c.sequence < bindparam("sequence"))
    .order_by(_PACKETS.c.sequence.desc())
    .limit(1)
)  # fmt: skip
_BACKWARDS = (
    select(_PACKETS.c.body, _PACKETS.c.underived, _SEGMENTS.c.packet_id.is_not(None), _SEGMENTS.c.binds)
    .outerjoin(_SEGMENTS, _SEGMENTS.c.packet_id == _PACKETS.c.id)
    .where(_PACKETS.c.camera_id == bindparam("camera_id"), _PACKETS.c.boot_id == bindparam("boot_id"))
    .where(_PACKETS.c.sequence < bindparam("sequence"), _PACKETS.c.gap.is_(False))
    .order_by(_PACKETS.c.sequence.desc())
    .execution_options(yield_per=16)
)
_IS_BETWEEN = (
    _PACKETS.c.boot_id == bindparam("boot_id"),
    _PACKETS.c.gap.is_(False),
    _PACKETS.c.sequence.between(bindparam("first"), bindparam("last")),
)
_BETWEEN = select(func.count()).select_from(_PACKETS).where(*_IS_BETWEEN)
_STORED = select(_PACKETS.c.sequence).where(*_IS_BETWEEN)


class Predecessor(NamedTuple):
    """The packet before in the same camera and boot; `direct` if no packet is missing in between.

    `understood` if its segment is there, without a fault; then that has this `caption`. `bound` is what binds
    it, None where that is not derived.
    """

    packet_id: int
    direct: bool
    underived: bool
    understood: bool
    caption: str | None
    bound: Bound | None


def predecessor(session: Session, camera_id: int, boot_id: int, sequence: int) -> Predecessor | None:
    """Find what came before a packet, if anything did."""
    place = {"camera_id": camera_id, "boot_id": boot_id, "sequence": sequence}
    found = session.connection().execute(_BEFORE, place).first()
    if found is None:
        return None
    packet_id, before, gap, underived, caption, fault, is_read, binds = found
    direct = not gap and _is_unbroken(session, boot_id, before + 1, sequence - 1)
    understood = bool(is_read) and fault is None
    bound = Bound.read(binds) if is_read and underived is None and not gap else None
    return Predecessor(packet_id, direct, underived is not None and not gap, understood, caption, bound)


def bound_before(session: Session, camera_id: int, boot_id: int, sequence: int) -> Bound:
    """Tell what binds the packets of a camera before `sequence`, back to their refresh.

    Read from the packets themselves as far as they are not derived.
    """
    bound, place = FREE, {"camera_id": camera_id, "boot_id": boot_id, "sequence": sequence}
    with closing(session.connection().execute(_BACKWARDS, place)) as rows:
        for body, underived, is_read, binds in rows:
            if is_read and underived is None:
                return bound.with_strictest(Bound.read(binds))
            packet = Packet.parse(body)
            bound = bound.with_strictest(Bound.of(packet))
            if begins_anew(packet):
                break
    return bound


def mark_followers(session: Session, boot_id: int, sequence: int) -> None:
    """Have derived again what hangs on packets that came after `sequence`, to each camera's next refresh."""
    later = (PacketRow.boot_id == boot_id, PacketRow.sequence > sequence)
    for camera_id in session.scalars(select(PacketRow.camera_id).where(*later).distinct()).all():
        of_camera = (PacketRow.camera_id == camera_id, *later)
        refresh = session.scalar(select(func.min(PacketRow.sequence)).where(*of_camera, PacketRow.refresh))
        marked = update(PacketRow).where(*of_camera, PacketRow.gap.is_(False), PacketRow.underived.is_(None))
        if refresh is not None:
            marked = marked.where(PacketRow.sequence < refresh)
        session.execute(marked.values(underived=AGAIN).execution_options(synchronize_session=False))


def ends_of_runs(sequences: Iterable[int]) -> list[int]:
    """Give the last of each run of numbers without a gap; they ascend."""
    ends = list[int]()
    for sequence in sequences:
        if ends and sequence == ends[-1] + 1:
            ends[-1] = sequence
        else:
            ends.append(sequence)
    return ends


def _is_unbroken(session: Session, boot_id: int, first: int, last: int) -> bool:
    """Tell whether all packets of a boot from `first` to `last`, of any camera, have come."""
    if first > last:
        return True
    place = {"boot_id": boot_id, "first": first, "last": last}
    if session.connection().execute(_BETWEEN, place).scalar() == last - first + 1:
        return True
    stored = set(session.connection().execute(_STORED, place).scalars())
    absent = (number for number in range(first, last + 1) if number not in stored)
    return not is_lost(lost_ranges(session, boot_id, first, last), absent)
