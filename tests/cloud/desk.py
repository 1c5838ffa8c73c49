"""An inbox over a store, fed by hand: what a broker would bring, without one."""

from sqlalchemy import func, select

from cloud.births import Births
from cloud.bundles import Bundles
from cloud.derivation import Derivation
from cloud.inbox import Inbox
from cloud.message import Message, Outcome
from cloud.opening import PlainOpener
from cloud.registry import Registry
from cloud.schema import Base, BootRow, PacketRow, SegmentRow
from cloud.store import Store
from cloud.watermark import Watermark
from tests.cloud.sample import BOOT_WALL_MS, Device
from wire.bundle import Bundle
from wire.packet import Packet

NOW_MS = BOOT_WALL_MS + 5_000


def plain_inbox(store: Store) -> Inbox:
    """Make an inbox that believes what it is told."""
    registry = Registry(store)
    return Inbox(store, registry, Births(store, registry, None), PlainOpener(registry))


class Desk:
    """An inbox over a store, fed by hand."""

    def __init__(self, store: Store, bundles: list[Bundle], *, render_all: bool = False) -> None:
        self.store = store
        self.inbox = plain_inbox(store)
        self.derivation = Derivation(store, Bundles(bundles), render_all=render_all)

    def deliver(self, topic: str, payload: bytes, at_ms: int = NOW_MS) -> Outcome:
        """Store one message, and derive what can be derived then."""
        (receipt,) = self.inbox.accept([Message(topic, payload, at_ms)])
        self.derive()
        return receipt.outcome

    def derive(self) -> None:
        while self.derivation.work():
            pass

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
