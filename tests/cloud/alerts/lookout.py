"""A store whose derivation looks out for alerts, fed by hand."""

from dataclasses import replace

from sqlalchemy import select

from cloud.alerts import rulebook
from cloud.alerts.rules import Alert, Draft
from cloud.alerts.watch import Watch
from cloud.bundles import Bundles
from cloud.config_events import Alerts, Events
from cloud.derivation import Derivation
from cloud.events.herald import Herald
from cloud.jobs import JobView, listed
from cloud.schema import AlertHitRow, OutboxRow
from cloud.store import Store
from tests.cloud.desk import NOW_MS, Desk
from tests.cloud.sample import Device
from wire import events
from wire.bundle import Bundle
from wire.documents import CameraInfo
from wire.events import SegmentEvent
from wire.packet import Packet

HOOK = "https://hooks.example/mirage"
HOOKS = Alerts((HOOK,))
CAMERAS = (CameraInfo("gate", 640, 480, 25.0), CameraInfo("yard", 640, 480, 25.0))


class Lookout:
    """Two cameras of one device; `now_ms` is the cloud's clock, which the tests move."""

    def __init__(self, store: Store, bundle: Bundle, settings: Events) -> None:
        self.store, self.bundle, self.now_ms = store, bundle, NOW_MS
        self.desk = Desk(store, [bundle])
        self.desk.derivation = self.derivation(settings)
        self.device = Device(bundle, cameras=CAMERAS)
        self.desk.birth(self.device)

    def derivation(self, settings: Events) -> Derivation:
        """Make another one, as another process has it."""
        watch, bundles = Watch(Herald(settings)), Bundles([self.bundle])
        return Derivation(self.store, bundles, render_all=False, clock=lambda: self.now_ms, watch=watch.see)

    def add(self, query: str = "car", **more: object) -> Alert:
        draft = replace(Draft(f"looks for {query}", query), **more)  # type: ignore[arg-type]
        with self.store.write() as session:
            return rulebook.add(session, draft, HOOKS, self.now_ms)

    def say(self, *captions: str, camera: str = "gate", historical: bool = False) -> None:
        for caption in captions:
            self.send(replace(self.device.packet(caption, camera=camera), historical=historical), camera)

    def send(self, packet: Packet, camera: str = "gate") -> None:
        if packet.historical:
            packet = replace(packet, boot_id=bytes.fromhex(self.device.boot_hex))
        frame = self.device.frame(packet, camera)
        self.desk.deliver(self.device.topics.sem(camera), frame, self.now_ms)

    def hits(self) -> list[AlertHitRow]:
        with self.store.read() as session:
            return list(session.scalars(select(AlertHitRow).order_by(AlertHitRow.id)))

    def found(self) -> list[str]:
        return [hit.caption for hit in self.hits()]

    def events(self) -> list[SegmentEvent]:
        with self.store.read() as session:
            written = session.scalars(select(OutboxRow.event).order_by(OutboxRow.id)).all()
        decoded = [events.decode(each) for each in written]
        told = [event for event in decoded if isinstance(event, SegmentEvent)]
        assert len(told) == len(decoded)
        return told

    def kinds(self) -> list[str]:
        return [type(event).__name__ for event in self.events()]

    def jobs(self) -> list[JobView]:
        with self.store.read() as session:
            return list(listed(session))
