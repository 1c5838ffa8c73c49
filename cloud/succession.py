"""Which packet comes before which, in one camera and boot, and what hangs on it."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from cloud.intake import AGAIN
from cloud.schema import PacketRow, SegmentRow


@dataclass(frozen=True, slots=True)
class Predecessor:
    """The packet before in the same camera and boot; `direct` if no packet is missing in between."""

    packet: PacketRow
    segment: SegmentRow | None
    direct: bool


def predecessor(session: Session, row: PacketRow) -> Predecessor | None:
    """Find what came before a packet, if anything did."""
    found = session.execute(
        select(PacketRow, SegmentRow)
        .outerjoin(SegmentRow, SegmentRow.packet_id == PacketRow.id)
        .where(PacketRow.camera_id == row.camera_id, PacketRow.boot_id == row.boot_id)
        .where(PacketRow.sequence < row.sequence)
        .order_by(PacketRow.sequence.desc())
        .limit(1)
    ).first()
    if found is None:
        return None
    packet, segment = found
    direct = not packet.gap and _is_unbroken(session, row.boot_id, packet.sequence + 1, row.sequence - 1)
    return Predecessor(packet, segment, direct)


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
    """Tell whether all packets of a boot from `first` to `last`, of any camera, are here."""
    if first > last:
        return True
    stored = session.scalar(
        select(func.count())
        .select_from(PacketRow)
        .where(PacketRow.boot_id == boot_id, PacketRow.sequence.between(first, last))
        .where(PacketRow.gap.is_(False))
    )
    return stored == last - first + 1
