"""Whether packets that are not stored are lost, or only gone: retention removed them after they were stored.

    watermark   all but its holes was stored once, or given up
    gap records what was given up

Sequences count the packets of all cameras of a boot, so what is missing between two of one camera tells
whether one of its own is. What retention removed of another camera does not: it is known to have come.
"""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.schema import BootRow, PacketRow
from cloud.watermark import Watermark
from wire import gap
from wire.packet import Layer, Packet

Ranges = list[tuple[int, int]]


def lost_ranges(session: Session, boot_id: int, first: int, last: int) -> Ranges:
    """Give what of `first` to `last` never came, or was given up: ranges, both ends included."""
    boot = session.get_one(BootRow, boot_id)
    missing = Watermark.parse(boot.highest, boot.holes).missing(first, last)
    given_up = (given_up_by(body) for body in gap_records(session, boot_id))
    return missing + [(low, high) for low, high in given_up if low <= last and high >= first]


def is_lost(ranges: Ranges, sequences: Iterable[int]) -> bool:
    """Tell whether any of `sequences` lies in one of the ranges. Pure."""
    return any(low <= sequence <= high for sequence in sequences for low, high in ranges)


def gap_records(session: Session, boot_id: int) -> Iterable[bytes]:
    """Give the bodies of a boot's gap records."""
    return session.scalars(select(PacketRow.body).where(PacketRow.boot_id == boot_id, PacketRow.gap)).all()


def given_up_by(body: bytes) -> tuple[int, int]:
    """Read which sequences a stored gap record gives up. Raises PacketError."""
    lost = gap.decode(Packet.parse(body).layers[Layer.GAP])
    return lost.first, lost.last
