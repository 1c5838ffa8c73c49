"""Commands: asked once, sent once, answered once, and never sent late."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud import commands
from cloud.commands import CommandError
from cloud.message import Outcome
from cloud.store import Store
from mirage.demo.broker import LoopbackBroker
from tests.cloud.desk import NOW_MS
from tests.cloud.ingesting import running, sealed_ingest
from tests.cloud.peer import connected
from tests.cloud.sealed import SealedDesk, SealedDevice
from tests.cloud.waiting import until
from wire import documents
from wire.bundle import Bundle
from wire.documents import Reply

DEVICE = "acme/north/jetson-1"


@pytest.fixture
def desk(store: Store, bundle: Bundle) -> SealedDesk:
    return SealedDesk(store, bundle)


@pytest.fixture
def device(desk: SealedDesk, bundle: Bundle) -> SealedDevice:
    made = SealedDevice(bundle)
    desk.enrol(made)
    desk.birth(made)
    return made


def ask(store: Store, verb: str = "ping", timeout_ms: int = 10_000) -> str:
    with store.write() as session:
        return commands.ask(session, DEVICE, verb, {"n": 1}, NOW_MS, timeout_ms)


def take(store: Store, now_ms: int = NOW_MS) -> list[commands.Order]:
    with store.write() as session:
        return commands.take(session, now_ms, 10)


def state(store: Store, command_id: str) -> str:
    with store.read() as session:
        return commands.state_of(session, command_id)[0]


def test_a_command_is_taken_once_with_its_deadline(desk: SealedDesk, device: SealedDevice) -> None:
    command_id = ask(desk.store)
    (order,) = take(desk.store)
    assert order.topic == device.topics.cmd("ping")
    assert order.command == documents.Command(command_id, NOW_MS + 10_000, {"n": 1})
    assert take(desk.store) == []
    assert state(desk.store, command_id) == "sent"


@pytest.mark.usefixtures("device")
def test_a_late_command_is_not_sent(desk: SealedDesk) -> None:
    command_id = ask(desk.store, timeout_ms=1)
    assert take(desk.store, NOW_MS + 2) == []
    assert state(desk.store, command_id) == "expired"


@pytest.mark.usefixtures("device")
def test_what_nobody_answered_in_time_is_expired(desk: SealedDesk) -> None:
    command_id = ask(desk.store)
    take(desk.store)
    with desk.store.read() as session:
        assert commands.is_queued(session, NOW_MS + 10_001)
    take(desk.store, NOW_MS + 10_001)
    assert state(desk.store, command_id) == "expired"


@pytest.mark.usefixtures("device")
def test_what_could_not_be_sent_waits_on(desk: SealedDesk) -> None:
    command_id = ask(desk.store)
    take(desk.store)
    with desk.store.write() as session:
        commands.put_back(session, command_id)
    assert [order.command.id for order in take(desk.store)] == [command_id]


@pytest.mark.parametrize(("ok", "wanted"), [(True, "answered"), (False, "refused")])
def test_a_reply_is_noted_once(desk: SealedDesk, device: SealedDevice, ok: bool, wanted: str) -> None:  # noqa: FBT001 -- a case
    command_id = ask(desk.store)
    take(desk.store)
    said = Reply(command_id, ok, "said", {"uptime_s": 3})
    topic = device.topics.telemetry
    assert desk.deliver(topic, device.reply(said)) == Outcome.REPLY
    assert desk.deliver(topic, device.reply(Reply(command_id, ok=True))) == Outcome.IGNORED
    with desk.store.read() as session:
        assert commands.state_of(session, command_id) == (wanted, said)


def test_a_reply_of_another_device_is_not_taken(
    desk: SealedDesk, device: SealedDevice, bundle: Bundle
) -> None:
    del device
    other = SealedDevice(bundle, name="jetson-2")
    desk.enrol(other)
    desk.birth(other)
    command_id = ask(desk.store)
    take(desk.store)
    assert desk.deliver(other.topics.telemetry, other.reply(Reply(command_id, ok=True))) == Outcome.IGNORED
    assert state(desk.store, command_id) == "sent"


@pytest.mark.usefixtures("device")
@pytest.mark.parametrize(
    ("device_id", "verb", "arguments", "reason"),
    [
        (DEVICE, "reboot", {}, "verb 'reboot' is none of"),
        ("acme/north/nobody", "ping", {}, "no device 'acme/north/nobody'"),
        ("jetson-1", "ping", {}, "no device 'jetson-1'"),
        (DEVICE, "ping", {"a": "x" * 2000}, "command"),
    ],
)
def test_what_cannot_be_asked_is_refused_at_once(
    desk: SealedDesk, device_id: str, verb: str, arguments: dict[str, documents.Value], reason: str
) -> None:
    with pytest.raises(CommandError, match=reason), desk.store.write() as session:
        commands.ask(session, device_id, verb, arguments, NOW_MS, 1_000)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[LoopbackBroker]:
    made = LoopbackBroker(tmp_path)
    made.start()
    yield made
    made.stop()


def test_a_command_goes_down_sealed_and_is_not_kept_by_the_broker(
    broker: LoopbackBroker, desk: SealedDesk, device: SealedDevice, bundle: Bundle
) -> None:
    from cloud.clock import wall_ms

    topic, frames, later = device.topics.cmd("ping"), list[bytes](), list[bytes]()
    ingest = sealed_ingest(broker.port, desk.store, bundle)
    with running(ingest), connected(broker.port, "device", frames) as peer:
        until(lambda: ingest.trouble is None)
        peer.client.subscribe(device.topics.cmd("+"), qos=1)
        with desk.store.write() as session:
            command_id = commands.ask(session, DEVICE, "ping", {}, wall_ms(), 20_000)
        until(lambda: bool(frames))
        assert documents.decode_command(device.opened(frames[0], topic)).id == command_id
        peer.publish(device.topics.telemetry, device.reply(Reply(command_id, ok=True)))
        until(lambda: state(desk.store, command_id) == "answered")
        with connected(broker.port, "latecomer", later) as latecomer:
            latecomer.client.subscribe(topic, qos=1)
            latecomer.publish(topic, b"end")
            until(lambda: later == [b"end"])


def test_a_command_waits_for_the_broker_to_come_back(
    broker: LoopbackBroker, desk: SealedDesk, device: SealedDevice, bundle: Bundle
) -> None:
    from cloud.clock import wall_ms

    frames = list[bytes]()
    ingest = sealed_ingest(broker.port, desk.store, bundle)
    with running(ingest):
        until(lambda: ingest.trouble is None)
        broker.stop()
        until(lambda: ingest.trouble is not None)
        with desk.store.write() as session:
            command_id = commands.ask(session, DEVICE, "ping", {}, wall_ms(), 60_000)
        broker.start()
        with connected(broker.port, "device", frames) as peer:
            peer.client.subscribe(device.topics.cmd("+"), qos=1)
            until(lambda: bool(frames))
    body = device.opened(frames[0], device.topics.cmd("ping"))
    assert documents.decode_command(body).id == command_id
