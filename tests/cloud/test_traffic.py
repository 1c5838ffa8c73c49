"""Ingest over a real broker when someone floods it, poisons it, or shares its work."""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import func, select

from cloud import ingest as ingests_module
from cloud.births import Births
from cloud.config import Broker, Limits
from cloud.inbox import Inbox
from cloud.message import Message, Outcome, Receipt
from cloud.opening import PlainOpener
from cloud.registry import Registry
from cloud.schema import CameraRow, DeviceRow, PacketRow, QuarantineRow
from cloud.store import ContentError, Store
from mirage.demo.broker import LoopbackBroker
from tests.cloud.desk import plain_inbox
from tests.cloud.ingesting import plain_ingest, running, sealed_ingest
from tests.cloud.peer import connected
from tests.cloud.sample import Device
from tests.cloud.sealed import SealedDesk, SealedDevice
from tests.cloud.waiting import until
from wire import documents
from wire.bundle import Bundle
from wire.documents import Ack, AckWatermark
from wire.envelope import EnvelopeError, read_header


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[LoopbackBroker]:
    running_broker = LoopbackBroker(tmp_path)
    running_broker.start()
    yield running_broker
    running_broker.stop()


def settings(broker: LoopbackBroker, client: str = "mirage-cloud") -> Broker:
    return Broker("127.0.0.1", broker.port, client=client, envelope="none", ack_interval_s=0.2)


def stored(store: Store, device: str = "jetson-1") -> int:
    query = select(func.count()).select_from(PacketRow).join(CameraRow, CameraRow.id == PacketRow.camera_id)
    query = query.join(DeviceRow, DeviceRow.id == CameraRow.device_id).where(DeviceRow.name == device)
    with store.read() as session:
        return session.scalar(query) or 0


def test_who_floods_is_cut_to_his_rate_and_holds_up_nobody(
    broker: LoopbackBroker, store: Store, bundle: Bundle, device: Device
) -> None:
    limits = Limits(device_packets_per_s=1, device_burst=5)
    ingest = plain_ingest(settings(broker), store, plain_inbox(store), bundle, limits)
    other = Device(bundle, name="jetson-2")
    with running(ingest), connected(broker.port, "device") as peer:
        until(lambda: ingest.trouble is None)
        for each in (device, other):
            peer.publish(each.topics.birth, each.birth())
        topic = device.topics.sem("gate")
        for _ in range(300):
            peer.client.publish(topic, device.frame(device.packet()), qos=1)
        peer.publish(other.topics.sem("gate"), other.frame(other.packet()))
        until(lambda: stored(store, "jetson-2") == 1)
        until(lambda: sum(ingest.counts.values()) == 303)
        assert ingest.counts[Outcome.LIMITED] > 250
        assert stored(store) == ingest.counts[Outcome.STORED] - 1


def test_what_was_beyond_the_rate_comes_again_and_is_stored(
    broker: LoopbackBroker, store: Store, bundle: Bundle, device: Device
) -> None:
    ingest = plain_ingest(
        settings(broker), store, plain_inbox(store), bundle, Limits(device_packets_per_s=5, device_burst=3)
    )
    with running(ingest), connected(broker.port, "device") as peer:
        until(lambda: ingest.trouble is None)
        peer.client.subscribe(device.topics.ack, qos=1)
        peer.publish(device.topics.birth, device.birth())
        frames = [device.frame(device.packet()) for _ in range(6)]

        def send_again() -> bool:
            for frame in frames:
                peer.publish(device.topics.sem("gate"), frame)
            return bool(peer.acks) and peer.acks[-1].boots.get(device.boot_hex) == AckWatermark(5)

        until(send_again)
    assert ingest.counts[Outcome.LIMITED] > 0
    assert stored(store) == 6


class PoisonableInbox(Inbox):
    """Fails for a packet that holds a word, in a way that nobody foresaw, or as a database does."""

    failure: Exception

    def accept(self, messages: Sequence[Message]) -> list[Receipt]:
        if any(b"poison" in message.payload for message in messages):
            raise self.failure
        return super().accept(messages)


@pytest.mark.parametrize(
    "failure", [ZeroDivisionError("a mistake of ours"), ContentError("too long for this column")]
)
def test_poison_goes_to_quarantine_alone_and_ingest_goes_on(
    broker: LoopbackBroker, store: Store, bundle: Bundle, device: Device, failure: Exception
) -> None:
    registry = Registry(store)
    inbox = PoisonableInbox(store, registry, Births(store, registry, None), PlainOpener(registry))
    inbox.failure = failure
    ingest = plain_ingest(settings(broker), store, inbox, bundle)
    with running(ingest), connected(broker.port, "device") as peer:
        until(lambda: ingest.trouble is None)
        peer.publish(device.topics.birth, device.birth())
        topic = device.topics.sem("gate")
        for number in range(9):
            peer.client.publish(topic, b"poison" if number == 4 else device.frame(device.packet()), qos=1)
        until(lambda: stored(store) == 8)
        until(lambda: ingest.counts.get(Outcome.QUARANTINED) == 1)
    with store.read() as session:
        row = session.scalars(select(QuarantineRow)).one()
    assert row.frame == b"poison"
    assert str(failure) in row.reason


def opened(device: SealedDevice, frames: Sequence[bytes]) -> list[Ack]:
    """Read those that are under the device's present key."""
    acks = []
    for frame in frames:
        with contextlib.suppress(EnvelopeError):
            acks.append(documents.decode_ack(device.opened(frame, device.topics.ack)))
    return acks


def test_two_sealed_clouds_share_a_device_from_its_first_word(
    broker: LoopbackBroker, store: Store, bundle: Bundle
) -> None:
    device = SealedDevice(bundle)
    SealedDesk(store, bundle).enrol(device)
    frames = list[bytes]()
    stores = [Store(store.name) for _ in range(2)]
    ingests = [sealed_ingest(broker.port, each, bundle, f"cloud-{n}") for n, each in enumerate(stores)]
    with running(ingests[0]), running(ingests[1]), connected(broker.port, "device", frames) as peer:
        until(lambda: all(ingest.trouble is None for ingest in ingests))
        peer.client.subscribe(device.topics.ack, qos=1)
        peer.publish(device.topics.birth, device.birth(), retain=True)
        until(lambda: bool(opened(device, frames)))
        for _ in range(20):
            peer.publish(device.topics.sem("gate"), device.frame(device.packet()))
        until(lambda: opened(device, frames)[-1].boots.get(device.boot_hex) == AckWatermark(19))
    for each in stores:
        each.close()
    counters = [read_header(frame).counter for frame in frames]
    assert len(set(counters)) == len(counters), "no nonce twice"
    assert not [ingest.counts for ingest in ingests if ingest.counts.get(Outcome.QUARANTINED)]
    with store.read() as session:
        assert session.scalar(select(func.count()).select_from(PacketRow)) == 20


def test_a_birth_alone_is_answered_with_the_time(
    broker: LoopbackBroker, store: Store, bundle: Bundle
) -> None:
    device = SealedDevice(bundle)
    SealedDesk(store, bundle).enrol(device)
    frames = list[bytes]()
    with (
        running(sealed_ingest(broker.port, store, bundle)),
        connected(broker.port, "d", frames) as peer,
    ):
        peer.client.subscribe(device.topics.ack, qos=1)
        peer.publish(device.topics.birth, device.birth(), retain=True)
        until(lambda: bool(opened(device, frames)))
    (ack,) = opened(device, frames)
    assert (ack.boots, ack.cloud_ms > 0) == ({}, True)


def test_an_ingest_ends_although_messages_never_cease_to_come(
    broker: LoopbackBroker, store: Store, bundle: Bundle, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingests_module, "FAREWELL_S", 0.1)
    ingest, over = plain_ingest(settings(broker), store, plain_inbox(store), bundle), threading.Event()

    def talk() -> None:
        while not over.is_set():
            peer.publish(device.topics.state, b"nonsense")

    with connected(broker.port, "device") as peer:
        talker = threading.Thread(target=talk, name="talker")
        with running(ingest):
            until(lambda: ingest.trouble is None)
            talker.start()
            until(lambda: ingest.counts.get(Outcome.QUARANTINED, 0) > 0)
        over.set()
        talker.join()
