"""An inbox over a store, fed by hand: what a broker would bring, without one."""

from sqlalchemy import func, select

from cloud.bundles import Bundles
from cloud.inbox import Inbox, Message, Outcome
from cloud.index import Index
from cloud.intake import Intake
from cloud.schema import Base, BootRow, PacketRow, SegmentRow
from cloud.store import Store
from cloud.watermark import Watermark
from tests.cloud.sample import BOOT_WALL_MS, Device
from wire.bundle import Bundle
from wire.envelope import PlainEnvelope
from wire.packet import Packet

NOW_MS = BOOT_WALL_MS + 5_000


class Desk:
    """An inbox over a store, fed by hand."""

    def __init__(self, store: Store, bundles: list[Bundle], *, render_all: bool = False) -> None:
        index = Index(Bundles(bundles))
        self.store = store
        self.inbox = Inbox(index, Intake(index, render_all=render_all), PlainEnvelope())

    def deliver(self, topic: str, payload: bytes, at_ms: int = NOW_MS) -> Outcome:
        with self.store.write() as session:
            return self.inbox.accept(session, Message(topic, payload, at_ms)).outcome

    def birth(self, device: Device) -> Outcome:
        return self.deliver(device.topics.birth, device.birth())

    def sem(self, device: Device, packet: Packet, camera: str = "gate") -> Outcome:
        return self.deliver(device.topics.sem(camera), device.frame(packet, camera))

    def captions(self) -> list[str | None]:
        query = select(SegmentRow.caption).join(PacketRow, PacketRow.id == SegmentRow.packet_id)
        with self.store.read() as session:
            return list(session.scalars(query.order_by(PacketRow.boot_id, PacketRow.sequence)))

    def faults(self) -> list[str]:
        with self.store.read() as session:
            return [fault for fault in session.scalars(select(SegmentRow.fault)) if fault is not None]

    def count(self, table: type[Base]) -> int:
        with self.store.read() as session:
            return session.scalar(select(func.count()).select_from(table)) or 0

    def watermark(self, boot_hex: str) -> Watermark:
        with self.store.read() as session:
            boot = session.scalars(select(BootRow).where(BootRow.boot_hex == boot_hex)).one()
            return Watermark.parse(boot.highest, boot.holes)
