"""The cloud as a process: what stops it at the start, what it survives, and that it ends."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from msgspec.structs import replace

from cloud import crew as crews
from cloud.catalog import Catalog
from cloud.config import Broker, BundlePaths, Config, ConfigError, Security, StorePlace
from cloud.config_render import Render
from cloud.config_serve import Serve
from cloud.config_webhooks import WebhookSettings
from cloud.crew import Crew
from cloud.looks import looks_of
from cloud.message import Message
from cloud.objects import Objects, ObjectsError
from cloud.run import run
from cloud.serve import ServeError, listen
from cloud.store import Store, StoreError
from mirage.demo.broker import LoopbackBroker, free_port
from tests.bundles import CAPTIONS
from tests.cloud.desk import NOW_MS, Desk
from tests.cloud.peer import connected
from tests.cloud.sample import Device, MeanRenderer
from tests.cloud.waiting import until
from wire.bundle import Bundle, BundleError


@pytest.fixture
def config(tmp_path: Path, bundle: Bundle) -> Config:
    return Config(
        broker=Broker("127.0.0.1", free_port(), envelope="none", ack_interval_s=0.2),
        bundle=BundlePaths((str(bundle.root),)),
        store=StorePlace(f"sqlite:///{tmp_path}/store.db", str(tmp_path / "objects")),
        serve=Serve(port=free_port()),
        render=Render(long_side_px=64, policy="all"),
    )


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[LoopbackBroker]:
    running = LoopbackBroker(tmp_path)
    running.start()
    yield running
    running.stop()


def test_from_broker_to_clip(config: Config, broker: LoopbackBroker, device: Device, tmp_path: Path) -> None:
    """The whole path but the page, which has a browser of its own elsewhere."""
    settings = replace(config, broker=Broker("127.0.0.1", broker.port, envelope="none", ack_interval_s=0.2))
    stop = threading.Event()
    thread = threading.Thread(
        target=run, args=(settings, stop), name="cloud",
        kwargs={"roles": frozenset({"ingest", "render"}), "load": lambda _bundle, _threads: MeanRenderer()},
    )  # fmt: skip
    thread.start()
    try:
        with connected(broker.port, "device") as peer:
            peer.publish(device.topics.birth, device.birth(), retain=True)
            store = Store(config.store.url)
            catalog = Catalog(store, looks_of(settings, store, Objects(settings.store.objects)))
            until(lambda: bool(catalog.cameras()))  # subscribed, so the broker keeps what comes
            for _ in range(3):
                peer.publish(device.topics.sem("gate"), device.frame(device.packet(CAPTIONS[0])))
            until(lambda: len(catalog.segments("acme/north/jetson-1/gate")) == 3)
            until(lambda: [s.render for s in catalog.segments("acme/north/jetson-1/gate")] == ["done"] * 3)
            store.close()
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive()
    assert len(list((tmp_path / "objects/clips").iterdir())) == 3
    assert not {"ingest", "render"} & {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        pytest.param({"bundle": BundlePaths(("/nowhere",))}, BundleError, id="bundle"),
        pytest.param({"store": StorePlace("sqlite:////nowhere/a/b.db")}, StoreError, id="store"),
        pytest.param({"render": Render(anchors=("/nowhere/yard.jpg",))}, ConfigError, id="anchor"),
        pytest.param({"broker": Broker("b"), "security": Security("/nowhere/key")}, ConfigError, id="key"),
        pytest.param({"broker": Broker("b", envelope="none", ca="/nowhere/ca")}, ConfigError, id="ca"),
        pytest.param({"webhooks": WebhookSettings(("/nowhere/secret",))}, ConfigError, id="secret"),
    ],
)
def test_what_cannot_work_is_found_before_anything_starts(
    config: Config, changes: dict[str, object], error: type[Exception]
) -> None:
    before = set(threading.enumerate())
    with pytest.raises(error):
        run(replace(config, **changes), threading.Event())
    assert set(threading.enumerate()) <= before


def test_a_process_may_do_nothing_but_derive(config: Config, bundle: Bundle, device: Device) -> None:
    store = Store(config.store.url)
    desk = Desk(store, [bundle])
    packets = [Message(device.topics.sem("gate"), device.frame(device.packet()), NOW_MS) for _ in range(3)]
    desk.inbox.accept([Message(device.topics.birth, device.birth(), NOW_MS), *packets])
    stop = threading.Event()
    thread = threading.Thread(target=run, args=(config, stop), kwargs={"roles": frozenset({"derive"})})
    thread.start()
    until(lambda: len(desk.captions()) == 3)
    stop.set()
    thread.join(60)
    store.close()
    assert not thread.is_alive()


def test_a_cloud_that_trusts_its_broker_says_so_at_each_start(config: Config) -> None:
    stop = threading.Event()
    stop.set()
    with structlog.testing.capture_logs() as logs:
        run(config, stop, roles=frozenset({"ingest"}))
    assert [log["log_level"] for log in logs if "envelope none" in log["event"]] == ["warning"]


def test_objects_that_have_no_place_are_named(config: Config, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    place = StorePlace(config.store.url, str(tmp_path / "file/objects"))
    with pytest.raises(ObjectsError, match="file/objects"):
        run(replace(config, store=place), threading.Event())


def test_a_port_that_is_taken_is_named(config: Config) -> None:
    with (
        listen(config.serve.host, config.serve.port),
        pytest.raises(ServeError, match=f"{config.serve.port}: .*in use"),
    ):
        run(config, threading.Event())


def test_a_task_that_fails_is_started_again_while_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crews, "RESTART_S", (0.4, 0.8))  # within which a busy machine looks at it
    starts, seen, steady = [], [], threading.Event()

    def fragile(ending: threading.Event) -> None:
        starts.append(1)
        if len(starts) < 3:
            raise ZeroDivisionError("a mistake of ours")
        ending.wait()

    def robust(ending: threading.Event) -> None:
        while not ending.wait(0.01):
            seen.append(dict(crew.crashes))
            if len(starts) == 3:
                steady.set()

    crew, stop = Crew(), threading.Event()
    crew.add("fragile", fragile)
    crew.add("robust", robust)
    thread = threading.Thread(target=crew.run, args=(stop,), name="crew")
    thread.start()
    assert steady.wait(60)
    until(lambda: not crew.crashes)
    stop.set()
    thread.join(60)
    assert {"fragile": "ZeroDivisionError: a mistake of ours"} in seen
    assert len(starts) == 3
