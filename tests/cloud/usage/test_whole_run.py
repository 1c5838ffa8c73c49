"""What the cloud adds up of a real agent is what the agent's ledger says, slot by slot."""

from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from cloud.clock import wall_ms
from cloud.config import Broker
from cloud.ingest import Ingest
from cloud.store import Store
from edge import agent
from edge.ledger import Ledger
from mirage.demo.broker import LoopbackBroker
from tests.cloud.desk import plain_inbox
from tests.cloud.ingesting import plain_ingest, running
from tests.cloud.usage.reporting import ever, refused, rollup
from tests.cloud.waiting import until
from tests.edge.films import panned, texture, write_film
from tests.edge.settings import config_of
from wire.bundle import Bundle
from wire.spent import CAMERA_SLOTS, OWN_SLOTS, TRANSPORT, Slot

DEVICE = "acme/plant/jetson-1"
TAIL_BYTES = 500  # of the last minute itself, what is said besides, the farewell

Slots = dict[tuple[str, Slot], int]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[LoopbackBroker]:
    broker = LoopbackBroker(tmp_path)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def ingest(broker: LoopbackBroker, store: Store, tiny: Path) -> Iterator[Ingest]:
    settings = Broker("127.0.0.1", broker.port, "cloud", "mirage-cloud", "none", 0.2)
    made = plain_ingest(settings, store, plain_inbox(store), Bundle.load(tiny, "cloud"))
    with running(made) as ingest:
        until(lambda: ingest.trouble is None)
        yield ingest


def in_the_cloud(store: Store) -> Slots:
    rollup(store, wall_ms())
    found: Slots = {}
    for camera, sizes in ever(store, DEVICE).items():
        for slot, size in zip(CAMERA_SLOTS if camera else OWN_SLOTS, sizes, strict=False):
            found[camera, slot] = size
    return {key: size for key, size in found.items() if size}


def on_the_device(folder: Path) -> Slots:
    totals = Ledger(folder / "spool.db.ledger").totals()
    return {(camera or "", (layer, kind)): size for (camera, layer, kind), size in totals.items()}


def of_mqtt(slots: Slots, *, camera: bool) -> Slots:
    return {
        (name, slot): size
        for (name, slot), size in slots.items()
        if slot[1] != TRANSPORT and bool(name) == camera
    }


@pytest.mark.usefixtures("ingest")
def test_the_cloud_adds_up_what_the_ledger_of_the_device_says(
    tmp_path: Path, tiny: Path, broker: LoopbackBroker, store: Store
) -> None:
    film = write_film(
        tmp_path / "film.mp4", panned(texture(3), (320, 180), [(3 * at, at) for at in range(100)])
    )
    config = config_of(tmp_path, broker.port, tiny, {"door": str(film)})
    agent.run(config, Event())
    first = on_the_device(tmp_path)
    until(lambda: of_mqtt(in_the_cloud(store), camera=True) == of_mqtt(first, camera=True))
    known = of_mqtt(in_the_cloud(store), camera=False)
    for key, size in of_mqtt(first, camera=False).items():
        assert 0 <= size - known.get(key, 0) <= TAIL_BYTES
    agent.run(config, Event())  # its first statement tells what the first run said last
    last = on_the_device(tmp_path)
    until(lambda: of_mqtt(in_the_cloud(store), camera=True) == of_mqtt(last, camera=True))
    known = of_mqtt(in_the_cloud(store), camera=False)
    assert known["", ("state", "payload")] >= first["", ("state", "payload")]
    for key, size in of_mqtt(last, camera=False).items():
        assert 0 <= size - known.get(key, 0) <= TAIL_BYTES
    assert refused(store) == {}
