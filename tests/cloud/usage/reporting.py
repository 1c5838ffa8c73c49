"""A device that reports what it sent, sealed, to a real inbox; and the sums that come of it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import select

from cloud.message import Outcome
from cloud.schema import TallyRow, UsagePlaceRow, UsageRow
from cloud.store import Store
from cloud.usage import parts
from cloud.usage.parts import Parts
from cloud.usage.periods import Grain
from cloud.usage.rollup import SETTLED_MS, Rollup
from tests.cloud.sample import BOOT_WALL_MS
from tests.cloud.sealed import SealedDesk, SealedDevice
from wire import telemetry
from wire.bundle import Bundle
from wire.spent import CAMERA_SLOTS, OWN_SLOTS, Sample, Spent
from wire.telemetry import Telemetry

HOUR_MS = 3_600_000
# On the full hour: the 15th of a month, at noon.
BOOT_MS = BOOT_WALL_MS - BOOT_WALL_MS % HOUR_MS


def far_day() -> int:
    """Give a billing day half a month away, so that no month of a budget begins while a test runs."""
    return (datetime.now(UTC).day + 13) % 28 + 1


def own(*sizes: int) -> Spent:
    return Spent(None, (*sizes, *[0] * (len(OWN_SLOTS) - len(sizes))))


def camera(place: int, *sizes: int) -> Spent:
    return Spent(place, (*sizes, *[0] * (len(CAMERA_SLOTS) - len(sizes))))


def minute(uptime_s: int, *spent: Spent, span_s: int = 60) -> Telemetry:
    return Telemetry(uptime_s, spent=spent, span_s=span_s)


def statement(uptime_s: int, *spent: Spent) -> Telemetry:
    return Telemetry(uptime_s, spent=spent, is_statement=True)


def remark(uptime_s: int, *samples: Sample) -> Telemetry:
    return Telemetry(uptime_s, span_s=0, samples=samples)


@dataclass
class Reporter:
    """One device at a desk; what it says arrives at `came_s` of its uptime."""

    desk: SealedDesk
    device: SealedDevice
    boot_ms: int = BOOT_MS
    cameras: tuple[str, ...] = ("gate",)
    began: bool = field(default=False)

    def begin(self) -> None:
        self.desk.enrol(self.device, *self.cameras)
        self.birth()

    def birth(self) -> None:
        self.desk.deliver(self.device.topics.birth, self.device.birth(self.boot_ms), self.boot_ms)

    def say(self, *records: Telemetry, came_s: int | None = None) -> Outcome:
        at_s = records[-1].uptime_s + 1 if came_s is None else came_s
        topic = self.device.topics.telemetry
        frame = self.device.envelope.wrap(telemetry.write(records), topic)
        return self.desk.deliver(topic, frame, self.boot_ms + at_s * 1000)

    def send(self, came_s: int) -> int:
        """Send a packet, and give the bytes of its frame."""
        frame = self.device.frame(self.device.packet())
        self.desk.deliver(self.device.topics.sem("gate"), frame, self.boot_ms + came_s * 1000)
        return len(frame)

    def count(self, came_s: int) -> int:
        """Have all added up that came by then."""
        return rollup(self.desk.store, self.boot_ms + came_s * 1000)


def rollup(store: Store, at_ms: int) -> int:
    return Rollup(store, lambda: at_ms + SETTLED_MS).work()


def reporter(
    store: Store, bundle: Bundle, name: str = "jetson-1", desk: SealedDesk | None = None
) -> Reporter:
    made = Reporter(desk or SealedDesk(store, bundle), SealedDevice(bundle, name=name))
    made.begin()
    return made


def sums(store: Store, path: str, grain: Grain) -> dict[int, Parts]:
    """Give what is in the sums of a place, by start."""
    query = (
        select(UsageRow.start_ms, UsageRow.parts)
        .join(UsagePlaceRow, UsagePlaceRow.id == UsageRow.place_id)
        .where(UsagePlaceRow.path == path, UsageRow.grain == grain.value)
        .order_by(UsageRow.start_ms)
    )
    with store.read() as session:
        return {row.start_ms: parts.decode(row.parts) for row in session.execute(query)}


def ever(store: Store, path: str = "acme/north/jetson-1") -> Parts:
    return sums(store, path, Grain.EVER).get(0, {})


def refused(store: Store) -> dict[str, int]:
    """Give what was refused, by reason."""
    with store.read() as session:
        rows = session.execute(select(TallyRow.name, TallyRow.count.label("times")))
        return {row.name.removeprefix("usage-refused-"): row.times for row in rows if row.times}
