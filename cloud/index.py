"""Segments: what packets say, derived from them for lists and search.

A caption may be "as before", so a segment hangs on the packet before it. When a late packet closes a
hole, or a late birth names the bundle, what hung on it is read again.
"""

import json
from dataclasses import dataclass

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from cloud import jobs, scene
from cloud.bundles import Bundles
from cloud.schema import BootRow, JobRow, PacketRow, SegmentRow
from wire import documents
from wire.bundle import BundleError
from wire.packet import Packet, PacketError, layer_label
from wire.segment import Codec

HEADER_LABEL = "header"  # what of a frame is no layer: envelope, flags, sequence and times


class Index:
    """Writes segments. Without `bundles` that a device needs, they have no caption, but a fault."""

    def __init__(self, bundles: Bundles) -> None:
        self._bundles = bundles

    def add(
        self, session: Session, boot: BootRow, row: PacketRow, packet: Packet, before: "Predecessor | None"
    ) -> None:
        """Derive a new packet's segment. Gap records make none."""
        if not row.gap:
            segment = _blank(row, packet)
            session.add(segment)
            self._fill(segment, boot, row, packet, _continued(before))

    def follow(self, session: Session, boot: BootRow, sequence: int, now_ms: int) -> None:
        """Read again what hangs on packets that came after `sequence` of the same boot."""
        after = select(PacketRow.camera_id).where(PacketRow.boot_id == boot.id, PacketRow.sequence > sequence)
        for camera_id in session.scalars(after.distinct()).all():
            self._follow(session, boot, camera_id, sequence, now_ms)

    def heal(self, session: Session, boot: BootRow, now_ms: int) -> None:
        """Read again what of a boot was not understood: its birth, or a bundle, has come."""
        faulty = (
            select(PacketRow)
            .join(SegmentRow, SegmentRow.packet_id == PacketRow.id)
            .where(PacketRow.boot_id == boot.id, SegmentRow.fault.is_not(None))
        )
        for row in session.scalars(faulty.order_by(PacketRow.sequence)).all():
            self._refill(session, boot, row, now_ms)

    def heal_all(self, session: Session, now_ms: int) -> None:
        """Read again what of any boot was not understood; for the start, when bundles may have been added."""
        faulty = (
            select(PacketRow.boot_id)
            .join(SegmentRow, SegmentRow.packet_id == PacketRow.id)
            .where(SegmentRow.fault.is_not(None))
        )
        for boot_id in session.scalars(faulty.distinct()).all():
            self.heal(session, session.get_one(BootRow, boot_id), now_ms)

    def shift(self, session: Session, boot: BootRow, by_ms: int) -> None:
        """Move all segments of a boot in time: its device knows the time of day better now."""
        of_boot = select(PacketRow.id).where(PacketRow.boot_id == boot.id)
        session.execute(
            update(SegmentRow)
            .where(SegmentRow.packet_id.in_(of_boot))
            .values(start_ms=SegmentRow.start_ms + by_ms)
            .execution_options(synchronize_session=False)
        )

    def _follow(self, session: Session, boot: BootRow, camera_id: int, sequence: int, now_ms: int) -> None:
        later = (
            select(PacketRow)
            .where(PacketRow.camera_id == camera_id, PacketRow.boot_id == boot.id)
            .where(PacketRow.sequence > sequence, PacketRow.gap.is_(False))
            .order_by(PacketRow.sequence)
        )
        for row in session.scalars(later.execution_options(yield_per=32)):
            if row.refresh:
                return
            self._refill(session, boot, row, now_ms)

    def _refill(self, session: Session, boot: BootRow, row: PacketRow, now_ms: int) -> None:
        segment = session.get_one(SegmentRow, row.id)
        before = _continued(predecessor(session, row))
        self._fill(segment, boot, row, Packet.parse(row.body), before)
        session.flush()
        jobs.retry_failed(session, row.id, now_ms)

    def _fill(
        self,
        segment: SegmentRow,
        boot: BootRow,
        row: PacketRow,
        packet: Packet,
        before: SegmentRow | None,
    ) -> None:
        """Set wall time, caption and fault; `before` is None where it is not known."""
        segment.caption, segment.fault = None, None
        segment.start_ms = row.received_ms - packet.duration_ms
        if boot.birth is None:
            segment.fault = f"the birth of boot {boot.boot_hex} has not come yet"
            return
        birth = documents.decode_birth(boot.birth)
        segment.start_ms = birth.boot_wall_ms + packet.captured_ms
        try:
            codec = self._bundles.codec(birth.bundle_sha256)
            segment.caption = _caption(packet, before, codec)
        except (BundleError, PacketError) as error:
            segment.fault = str(error)


def layer_sizes(packet: Packet, frame_size: int) -> dict[str, int]:
    """Split a frame's bytes by layer; what is no payload is the header's."""
    sizes = {layer_label(layer): len(packet.layers[layer]) for layer in sorted(packet.layers)}
    return sizes | {HEADER_LABEL: frame_size - sum(sizes.values())}


@dataclass(frozen=True, slots=True)
class Predecessor:
    """The packet before in the same camera and boot; `direct` if no packet is missing in between."""

    packet: PacketRow
    segment: SegmentRow | None
    job: JobRow | None
    direct: bool


def predecessor(session: Session, row: PacketRow) -> Predecessor | None:
    """Find what came before a packet, if anything did."""
    found = session.execute(
        select(PacketRow, SegmentRow, JobRow)
        .outerjoin(SegmentRow, SegmentRow.packet_id == PacketRow.id)
        .outerjoin(JobRow, JobRow.packet_id == PacketRow.id)
        .where(PacketRow.camera_id == row.camera_id, PacketRow.boot_id == row.boot_id)
        .where(PacketRow.sequence < row.sequence)
        .order_by(PacketRow.sequence.desc())
        .limit(1)
    ).first()
    if found is None:
        return None
    packet, segment, job = found
    direct = not packet.gap and _is_unbroken(session, row.boot_id, packet.sequence + 1, row.sequence - 1)
    return Predecessor(packet, segment, job, direct)


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


def _continued(before: Predecessor | None) -> SegmentRow | None:
    """Give the segment that is continued, if it is here and understood."""
    if before is None or not before.direct or before.segment is None or before.segment.fault is not None:
        return None
    return before.segment


def _blank(row: PacketRow, packet: Packet) -> SegmentRow:
    return SegmentRow(
        packet_id=row.id,
        camera_id=row.camera_id,
        duration_ms=packet.duration_ms,
        still=packet.still,
        layers=json.dumps(layer_sizes(packet, row.size), separators=(",", ":")),
    )


def _caption(packet: Packet, before: SegmentRow | None, codec: Codec) -> str | None:
    previous = None if before is None else before.caption
    return scene.read_caption(packet, previous, codec, known=before is not None)
