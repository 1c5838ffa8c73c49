"""Stores packets: each boot and sequence once, with what it means for segments, jobs and watermark."""

from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud import jobs
from cloud.index import Index, predecessor
from cloud.registry import boot_row, camera_row
from cloud.schema import BootRow, CameraRow, DeviceRow, PacketRow
from cloud.watermark import Watermark
from wire import gap
from wire.gap import Gap
from wire.packet import Layer, Packet, PacketError
from wire.topics import Topic


class MisplacedError(PacketError):
    """Another packet has this boot and sequence: this one belongs elsewhere."""


class Intake:
    """Stores packets; with `render_all`, each new segment becomes a job, else only when someone looks."""

    def __init__(self, index: Index, *, render_all: bool) -> None:
        self._index = index
        self._render_all = render_all

    def store(
        self, session: Session, device: DeviceRow, topic: Topic, packet: Packet, now_ms: int, frame_size: int
    ) -> bool:
        """Store a packet of a device whose boot is known; False if it is here already.

        Of a gap record only what is not here is noted. Raises MisplacedError if another packet is here in its
        place, PacketError for a damaged gap record.
        """
        boot_hex = device.boot_hex if packet.boot_id is None else packet.boot_id.hex()
        if boot_hex is None or topic.camera is None:
            raise PacketError(f"packet {packet.sequence} is of no known boot or camera")
        lost = gap.decode(packet.layers[Layer.GAP]) if Layer.GAP in packet.layers else None
        boot = boot_row(session, device, boot_hex, now_ms)
        camera = camera_row(session, device, topic.camera)
        boot.changed_ms = now_ms
        if boot.state == "lost" and not packet.historical:
            boot.state = "ready"  # the will of an old connection came after the new one was ready
        if lost is None or not lost.first <= packet.sequence <= lost.last:
            return self._keep(session, _row(boot, camera, packet, now_ms, frame_size), packet, lost)
        for low, high in Watermark.parse(boot.highest, boot.holes).missing(lost.first, lost.last):
            part = replace(lost, first=low, last=high)
            record = replace(packet, sequence=low, layers={Layer.GAP: gap.encode(part)})
            self._keep(session, _row(boot, camera, record, now_ms, frame_size), record, part)
            frame_size = 0  # its bytes are counted once
        return frame_size == 0

    def _keep(self, session: Session, row: PacketRow, packet: Packet, lost: Gap | None) -> bool:
        """Store one row; False if it is here already."""
        boot, camera = session.get_one(BootRow, row.boot_id), session.get_one(CameraRow, row.camera_id)
        seen = Watermark.parse(boot.highest, boot.holes)
        late = packet.sequence <= seen.highest
        if late and _is_stored(session, row):
            return False
        seen = seen.add(packet.sequence, packet.sequence)
        seen = seen if lost is None else seen.add(lost.first, lost.last)
        boot.highest, boot.holes = seen.highest, seen.holes_json
        camera.bytes += row.size
        camera.segments += not row.gap
        session.add(row)
        session.flush()
        self._derive(session, boot, row, packet, late=late)
        return True

    def _derive(self, session: Session, boot: BootRow, row: PacketRow, packet: Packet, *, late: bool) -> None:
        before = predecessor(session, row)
        self._index.add(session, boot, row, packet, before)
        if before is not None and before.job is not None:
            before.job.not_before_ms = 0  # its successor, which it may have waited for, has come
        if late:
            session.flush()
            self._index.follow(session, boot, row.sequence, row.received_ms)
        if self._render_all and not row.gap:
            patience_ms = 0 if row.historical else jobs.NEXT_SEGMENT_PATIENCE_MS
            jobs.enqueue(session, row.id, row.received_ms, not_before_ms=row.received_ms + patience_ms)


def _row(boot: BootRow, camera: CameraRow, packet: Packet, now_ms: int, frame_size: int) -> PacketRow:
    return PacketRow(
        boot_id=boot.id,
        camera_id=camera.id,
        sequence=packet.sequence,
        refresh=packet.refresh,
        historical=packet.historical,
        gap=Layer.GAP in packet.layers,
        size=frame_size,
        # The same packet comes live without its boot id, and with it once it is backlog.
        body=bytes(replace(packet, boot_id=None, historical=False)),
        received_ms=now_ms,
    )


def _is_stored(session: Session, row: PacketRow) -> bool:
    found = session.scalars(
        select(PacketRow).where(PacketRow.boot_id == row.boot_id, PacketRow.sequence == row.sequence)
    ).first()
    if found is None:
        return False
    if found.gap or (found.camera_id == row.camera_id and _agree(found.body, row.body)):
        return True
    raise MisplacedError(f"packet {row.sequence} differs from the one that is stored")


def _agree(body: bytes, other: bytes) -> bool:
    """Tell whether two bodies are of one packet: a device may shed layers before it sends it again."""
    if body == other:
        return True
    one, two = Packet.parse(body), Packet.parse(other)
    shared = one.layers.keys() & two.layers.keys()
    same_layers = all(one.layers[layer] == two.layers[layer] for layer in shared)
    nested = len(shared) == min(len(one.layers), len(two.layers))
    return same_layers and nested and replace(one, layers={}) == replace(two, layers={})
