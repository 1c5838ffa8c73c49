"""From a packet to whoever subscribes: described, raised, rendered, by a cloud as it runs."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from cloud.acl import acl, of_cloud, of_subscriber
from cloud.alerts import rulebook
from cloud.alerts.rules import Draft
from cloud.catalog import Catalog
from cloud.config import Broker, BundlePaths, Config, StorePlace
from cloud.config_events import Alerts, Events
from cloud.config_render import Render
from cloud.enrolment import Enrolment
from cloud.run import run
from cloud.store import Store
from tests.cloud.events.listener import listening
from tests.cloud.events.post import Post, counts, entry, put, work
from tests.cloud.peer import connected
from tests.cloud.sample import Device, MeanRenderer
from tests.cloud.waiting import until
from tests.mosquitto import PLAIN, mosquitto, shipped
from tests.party import Party, admitted
from tests.pki import Pki
from wire import events
from wire.bundle import Bundle
from wire.events import AlertRaised, ClipRendered, SegmentDescribed
from wire.topics import DeviceTopics

EDGE = DeviceTopics("acme", "north", "edge-1")
EVENTS = "mirage/v1/acme/+/+/+/event"


@contextmanager
def running(config: Config) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(
        target=run, args=(config, stop), name="cloud",
        kwargs={"roles": frozenset({"ingest", "render"}), "load": lambda _bundle, _threads: MeanRenderer()},
    )  # fmt: skip
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive()


def test_a_packet_is_described_raises_its_alert_and_is_rendered(tmp_path: Path, bundle: Bundle) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    with closing(Store(url)) as store, mosquitto(tmp_path, PLAIN) as broker:
        with store.write() as session:
            alert = rulebook.add(session, Draft("Cars", '"red car"'), Alerts(), 0)
        config = Config(
            broker=Broker("127.0.0.1", broker.port, envelope="none"),
            bundle=BundlePaths((str(bundle.root),)),
            store=StorePlace(url, str(tmp_path / "objects")),
            render=Render(long_side_px=64),
            events=Events(enabled=True),
        )
        device = Device(bundle)
        with listening(broker.port) as third, running(config), connected(broker.port, "device") as peer:
            peer.publish(device.topics.birth, device.birth(), retain=True)
            until(lambda: bool(Catalog(store).cameras()))
            for caption in ("a man walks", "a red car drives"):
                peer.publish(device.topics.sem("gate"), device.frame(device.packet(caption)))
            until(lambda: len(third.heard) == 4)
            until(lambda: counts(store).waiting == 0)
    first, second, raised, rendered = third.heard
    assert isinstance(first, SegmentDescribed)
    assert isinstance(second, SegmentDescribed)
    assert isinstance(raised, AlertRaised)
    assert isinstance(rendered, ClipRendered), "nobody asked for it but the alert"
    assert (first.data.segment.caption, second.data.segment.caption) == ("a man walks", "a red car drives")
    assert (raised.data.alert.id, raised.data.segment) == (alert.id, rendered.data.segment)


def test_nothing_is_published_unless_settings_say_so(tmp_path: Path, bundle: Bundle) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    with closing(Store(url)) as store, mosquitto(tmp_path, PLAIN) as broker:
        config = Config(
            broker=Broker("127.0.0.1", broker.port, envelope="none"),
            bundle=BundlePaths((str(bundle.root),)),
            store=StorePlace(url, str(tmp_path / "objects")),
        )
        device = Device(bundle)
        with listening(broker.port) as third, running(config), connected(broker.port, "device") as peer:
            peer.publish(device.topics.birth, device.birth(), retain=True)
            until(lambda: bool(Catalog(store).cameras()))
            peer.publish(device.topics.sem("gate"), device.frame(device.packet("a man walks")))
            until(lambda: len(Catalog(store).segments("acme/north/jetson-1/gate")) == 1)
        assert (third.heard, counts(store).waiting) == ([], 0)


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path)


def test_the_shipped_broker_lets_only_the_cloud_tell(store: Store, tmp_path: Path, pki: Pki) -> None:
    """With certificates, the access list, and one connection for each of two cloud processes."""
    users = {name: pki.client(name) for name in ("cloud.main", "cloud.second", "subscriber.viewer")}
    edge = pki.device(EDGE)
    enrolled = Enrolment(EDGE, ("gate",), edge.private_key.public_key(), 0)
    roles = [of_cloud("main"), of_cloud("second"), of_subscriber("viewer", "acme")]
    (tmp_path / "acl").write_text(acl([enrolled], roles))
    put(store, *(entry(number) for number in range(40)))
    with mosquitto(tmp_path, shipped(tmp_path)) as broker:
        posts = [Post(store, secured(broker.port, pki, name)) for name in ("cloud.main", "cloud.second")]
        third = Party(broker.port, pki.ca, users["subscriber.viewer"])
        with admitted(third, EVENTS) as viewer, admitted(Party(broker.port, pki.ca, edge)) as device:
            assert not device.publish(EDGE.event("gate"), b"forged")
            work(*posts, until_=lambda: counts(store).waiting == 0)
            until(lambda: len(viewer.heard) == 40)
        for post in posts:
            post.close()
    told = [events.decode(heard.payload).id for heard in viewer.heard]
    assert told == [f"e-{number}" for number in range(40)], "each once, and nothing of the device's"


def secured(port: int, pki: Pki, user: str) -> Broker:
    """Name the broker for a process with the certificate of that role."""
    return Broker(
        "localhost", port, client=user.replace(".", "-"), ca=str(pki.ca),
        certificate=str(pki.folder / f"{user}.pem"), key=str(pki.folder / f"{user}.key"),
    )  # fmt: skip
