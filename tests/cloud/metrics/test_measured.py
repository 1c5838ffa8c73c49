"""What processes count while they work, each at its place in the real parts of the cloud."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.answering import Answering
from cloud.bundles import Bundles
from cloud.config import Broker, Limits
from cloud.downlink import PlainDownlink
from cloud.hls.films import Films
from cloud.hls.live import Live
from cloud.ingest import Ingest
from cloud.limits import Gate
from cloud.metrics.meters import Meters
from cloud.store import Store, StoreError
from cloud.terms import Terms
from cloud.worker import Worker
from mirage.demo.broker import LoopbackBroker
from tests.cloud.desk import Desk, plain_inbox
from tests.cloud.hls.cinema import Cinema, clip
from tests.cloud.ingesting import running
from tests.cloud.peer import connected
from tests.cloud.sample import BOOT_WALL_MS, CarryingRenderer, Device, MeanRenderer
from tests.cloud.studio import Studio
from tests.cloud.waiting import until
from wire.bundle import Bundle
from wire.policy import Policy

CAMERA = "acme/north/jetson-1/gate"


@pytest.fixture
def meters() -> Meters:
    return Meters()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[LoopbackBroker]:
    running = LoopbackBroker(tmp_path)
    running.start()
    yield running
    running.stop()


def value(meters: Meters, name: str, **labels: str) -> float:
    return meters.registry.get_sample_value(name, labels) or 0.0


def measured_worker(studio: Studio, bundle: Bundle, renderer: MeanRenderer, meters: Meters) -> Worker:
    bundles = Bundles([bundle], lambda _bundle, _threads: renderer)
    return Worker(
        studio.store,
        studio.objects,
        bundles,
        Terms.of(Policy(long_side_px=64)),
        lambda: studio.now_ms,
        meters=meters,
    )


def test_batches_are_counted_with_the_time_that_they_took(
    broker: LoopbackBroker, store: Store, device: Device, meters: Meters
) -> None:
    settings = Broker("127.0.0.1", broker.port, client="mirage-cloud", envelope="none", ack_interval_s=0.2)
    answering = Answering(store, PlainDownlink(), 0.2)
    ingest = Ingest(settings, store, plain_inbox(store), Gate(Limits()), answering, None, meters=meters)
    with running(ingest), connected(broker.port, "device") as peer:
        until(lambda: ingest.trouble is None)
        peer.publish(device.topics.birth, device.birth(), retain=True)
        for _ in range(5):
            peer.publish(device.topics.sem("gate"), device.frame(device.packet()))
        until(lambda: value(meters, "mirage_ingest_batch_messages_sum") == 6)
    batches = value(meters, "mirage_ingest_batch_messages_count")
    assert 1 <= batches <= 6
    assert value(meters, "mirage_ingest_commit_seconds_count") == batches
    assert value(meters, "mirage_ingest_retries_total") == 0


def test_clips_are_counted_by_how_they_ended(
    store: Store, tmp_path: Path, bundle: Bundle, desk: Desk, device: Device, meters: Meters
) -> None:
    class Broken(MeanRenderer):
        def render(self, *arguments: object, **more: object) -> None:  # type: ignore[override]
            del arguments, more
            raise ValueError("no such colour")

    desk.birth(device)
    for _ in range(3):
        desk.sem(device, device.packet())
    studio = Studio(store, tmp_path / "objects", bundle, MeanRenderer())
    first, second, third = studio.segments()
    studio.worker = measured_worker(studio, bundle, MeanRenderer(), meters)
    studio.ask(first)
    studio.worker = measured_worker(studio, bundle, CarryingRenderer(), meters)  # type: ignore[arg-type]
    studio.ask(second, lambda: True)
    studio.worker = measured_worker(studio, bundle, Broken(), meters)
    studio.ask(third)
    found = {
        ending: value(meters, "mirage_render_seconds_count", ending=ending)
        for ending in ("made", "given-up", "failed")
    }
    assert found == {"made": 1, "given-up": 1, "failed": 1}
    assert value(meters, "mirage_render_seconds_sum", ending="made") > 0


def test_a_live_view_measures_how_far_it_is_behind(
    store: Store, tmp_path: Path, desk: Desk, device: Device, meters: Meters
) -> None:
    from wire import documents

    desk.birth(device)
    ready = documents.encode(documents.State("ready", device.boot_hex))
    desk.deliver(device.topics.state, ready, BOOT_WALL_MS)
    cinema, now_ms = Cinema(store, tmp_path / "objects"), BOOT_WALL_MS + 2_000
    live = Live(store, Films(cinema.objects), lambda: now_ms, meters)
    frame = device.frame(device.packet(duration_ms=2000))
    desk.deliver(device.topics.sem("gate"), frame, now_ms)
    live.watch(CAMERA)
    live.round()
    assert value(meters, "mirage_live_latency_seconds_count") == 0
    cinema.render(1, clip(50, 20))
    now_ms += 1_500
    live.watch(CAMERA)
    live.round()
    assert value(meters, "mirage_live_latency_seconds_count") == 1
    assert value(meters, "mirage_live_latency_seconds_sum") == 1.5


def test_errors_of_the_store_are_counted_by_their_kind(store: Store) -> None:
    from sqlalchemy import text

    with pytest.raises(StoreError), store.read() as session:
        session.execute(text("SELECT * FROM nowhere"))
    assert store.errors == {"content": 0, "database": 1}
