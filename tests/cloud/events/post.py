"""A publisher and its connection, which take turns as in an ingest; and events to be published."""

from collections.abc import Callable

from cloud.config import Broker
from cloud.config_events import Events
from cloud.events import outbox
from cloud.events.outbox import Counts, Entry
from cloud.events.publisher import Publisher
from cloud.store import Store
from cloud.subscription import Subscription
from tests.cloud.waiting import until
from wire.events import Described, SegmentDescribed, SegmentFacts

NOW_MS = 1_790_000_000_000
CAMERA = "acme/north/edge-1/gate"
ON = Events(enabled=True)


def entry(number: int, *, historical: bool = False) -> Entry:
    facts = SegmentFacts(
        id=number, camera=CAMERA, boot_id="0" * 16, sequence=number, start_ms=NOW_MS, duration_ms=2000,
        still=False, historical=historical, caption=f"car {number}", url="/s", thumbnail="/t",
    )  # fmt: skip
    event = SegmentDescribed(
        id=f"e-{number}", source="/here", time="2026-01-01T00:00:00Z", data=Described(facts)
    )
    return Entry(CAMERA, event, historical)


def put(store: Store, *entries: Entry, at_ms: int = NOW_MS) -> None:
    with store.write() as session:
        outbox.put(session, entries, at_ms)


def counts(store: Store) -> Counts:
    with store.read() as session:
        return outbox.counts(session)


class Post:
    """A publisher and its connection."""

    def __init__(self, store: Store, broker: Broker, settings: Events = ON) -> None:
        self.publisher = Publisher(store, broker.client, settings, lambda _session: NOW_MS)
        self.connection = Subscription(broker, lambda: NOW_MS)
        self.connection.open()

    def work(self) -> None:
        self.connection.next(1, 0.01)
        self.publisher.work(self.connection)

    def close(self) -> None:
        self.connection.close()
        self.publisher.close()


def work(*posts: Post, until_: Callable[[], bool]) -> None:
    def step() -> bool:
        for each in posts:
            each.work()
        return until_()

    until(step)
