"""Ingest over a real broker: stored, then acknowledged; nothing is lost, nothing doubled."""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import func, select

from cloud.births import Births
from cloud.config import Broker
from cloud.inbox import Inbox
from cloud.ingest import Ingest
from cloud.message import Message, Outcome, Receipt
from cloud.opening import PlainOpener
from cloud.registry import Registry
from cloud.schema import PacketRow, QuarantineRow, SegmentRow
from cloud.store import Store, StoreError
from cloud.subscription import Subscription
from mirage.demo.broker import LoopbackBroker
from tests.bundles import CAPTIONS
from tests.cloud.desk import plain_inbox
from tests.cloud.ingesting import plain_ingest, running
from tests.cloud.peer import Peer, connected
from tests.cloud.sample import Device
from tests.cloud.waiting import until
from tests.descriptors import open_sockets
from wire.bundle import Bundle
from wire.documents import AckWatermark
from wire.envelope import PlainEnvelope
from wire.telemetry import Telemetry


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[LoopbackBroker]:
    running = LoopbackBroker(tmp_path)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def inbox(store: Store) -> Inbox:
    return plain_inbox(store)


@contextmanager
def ingesting(
    port: int, store: Store, inbox: Inbox, bundle: Bundle, client: str = "mirage-cloud", group: str = "cloud"
) -> Iterator[Ingest]:
    settings = Broker("127.0.0.1", port, group, client, "none", 0.2)
    with running(plain_ingest(settings, store, inbox, bundle)) as ingest:
        until(lambda: ingest.trouble is None)
        yield ingest


def announce(peer: Peer, device: Device) -> None:
    peer.client.subscribe(device.topics.ack, qos=1)
    peer.publish(device.topics.birth, device.birth(), retain=True)


def send(peer: Peer, device: Device, count: int) -> None:
    for _ in range(count):
        peer.publish(device.topics.sem("gate"), device.frame(device.packet(CAPTIONS[0])))


def stored(store: Store) -> int:
    with store.read() as session:
        return session.scalar(select(func.count()).select_from(PacketRow)) or 0


def segments(store: Store) -> int:
    with store.read() as session:
        return session.scalar(select(func.count()).select_from(SegmentRow)) or 0


def test_packets_are_stored_and_acknowledged_to_the_device(
    broker: LoopbackBroker, store: Store, inbox: Inbox, bundle: Bundle, device: Device
) -> None:
    with ingesting(broker.port, store, inbox, bundle) as ingest, connected(broker.port, "device") as peer:
        announce(peer, device)
        send(peer, device, 5)
        until(lambda: bool(peer.acks) and peer.acks[-1].boots.get(device.boot_hex) == AckWatermark(4))
        until(lambda: ingest.counts.get(Outcome.BIRTH) == 1 and ingest.counts.get(Outcome.STORED) == 5)
        until(lambda: segments(store) == 5)
    with store.read() as session:
        assert session.scalars(select(SegmentRow.caption)).all() == [CAPTIONS[0]] * 5


def test_telemetry_among_packets_takes_none_of_them_away(
    broker: LoopbackBroker, store: Store, inbox: Inbox, bundle: Bundle, device: Device
) -> None:
    record = PlainEnvelope().wrap(bytes(Telemetry(60)), device.topics.telemetry)
    with ingesting(broker.port, store, inbox, bundle) as ingest, connected(broker.port, "device") as peer:
        announce(peer, device)
        for _ in range(4):
            peer.publish(device.topics.telemetry, record)
            send(peer, device, 2)
        until(lambda: bool(peer.acks) and peer.acks[-1].boots.get(device.boot_hex) == AckWatermark(7))
        until(lambda: ingest.counts.get(Outcome.TELEMETRY) == 4)


def test_a_retained_birth_is_found_by_a_cloud_that_starts_later(
    broker: LoopbackBroker, store: Store, inbox: Inbox, bundle: Bundle, device: Device
) -> None:
    with connected(broker.port, "device") as peer:
        announce(peer, device)
        with ingesting(broker.port, store, inbox, bundle) as ingest:
            until(lambda: ingest.counts.get(Outcome.BIRTH) == 1)
            send(peer, device, 1)
            until(lambda: stored(store) == 1)


def test_what_was_sent_while_the_cloud_was_away_comes_when_it_is_back(
    broker: LoopbackBroker, store: Store, inbox: Inbox, bundle: Bundle, device: Device
) -> None:
    with connected(broker.port, "device") as peer:
        with ingesting(broker.port, store, inbox, bundle):
            announce(peer, device)
            send(peer, device, 2)
            until(lambda: stored(store) == 2)
        send(peer, device, 3)
        with ingesting(broker.port, store, inbox, bundle):
            until(lambda: stored(store) == 5)


def test_two_clouds_of_a_group_share_the_packets_and_both_know_the_device(
    broker: LoopbackBroker, store: Store, inbox: Inbox, bundle: Bundle, device: Device
) -> None:
    with (
        ingesting(broker.port, store, inbox, bundle, "one") as one,
        ingesting(broker.port, store, inbox, bundle, "two") as two,
        connected(broker.port, "device") as peer,
    ):
        announce(peer, device)
        until(lambda: one.counts.get(Outcome.BIRTH, 0) == two.counts.get(Outcome.BIRTH, 0) == 1)
        send(peer, device, 20)
        # What was stored is counted a moment later.
        until(lambda: one.counts.get(Outcome.STORED, 0) + two.counts.get(Outcome.STORED, 0) == 20)
        assert stored(store) == 20
        assert min(one.counts.get(Outcome.STORED, 0), two.counts.get(Outcome.STORED, 0)) > 0


def test_a_broker_that_goes_away_is_awaited(
    broker: LoopbackBroker, store: Store, inbox: Inbox, bundle: Bundle, device: Device
) -> None:
    with ingesting(broker.port, store, inbox, bundle) as ingest:
        broker.stop()
        until(lambda: ingest.trouble is not None)
        assert "127.0.0.1" in (ingest.trouble or "")
        broker.start()
        until(lambda: ingest.trouble is None)
        with connected(broker.port, "device") as peer:
            announce(peer, device)
            send(peer, device, 1)
            until(lambda: stored(store) == 1)


def test_a_subscription_that_is_closed_leaves_no_socket_to_the_garbage_collector(
    broker: LoopbackBroker,
) -> None:
    def subscribe() -> None:
        subscription = Subscription(Broker("127.0.0.1", broker.port, envelope="none"), lambda: 0)
        subscription.open()
        until(lambda: subscription.next(1, 0.1) == [] and subscription.trouble is None)
        assert open_sockets() > before
        subscription.close()

    gc.collect()
    gc.disable()
    try:
        before = open_sockets()
        subscribe()
        assert open_sockets() <= before  # others may have gone
    finally:
        gc.enable()


def test_a_broker_that_is_not_there_is_named(
    store: Store, inbox: Inbox, bundle: Bundle, tmp_path: Path
) -> None:
    absent = LoopbackBroker(tmp_path)
    settings = Broker("127.0.0.1", absent.port, envelope="none")
    with running(plain_ingest(settings, store, inbox, bundle)) as ingest:
        until(lambda: "cannot be reached" in (ingest.trouble or ""))


class FailingInbox(Inbox):
    """Fails as a full disk does, `times` times."""

    times = 0

    def accept(self, messages: Sequence[Message]) -> list[Receipt]:
        if self.times and any(message.topic.endswith("/sem") for message in messages):
            self.times -= 1
            raise StoreError("database or disk is full")
        return super().accept(messages)


def test_a_store_that_fails_for_a_while_loses_nothing(
    broker: LoopbackBroker, store: Store, bundle: Bundle, device: Device
) -> None:
    inbox = failing_inbox(store, 1)
    with ingesting(broker.port, store, inbox, bundle) as ingest, connected(broker.port, "device") as peer:
        announce(peer, device)
        send(peer, device, 3)
        until(lambda: "disk is full" in (ingest.trouble or ""))
        assert not peer.acks
        until(lambda: stored(store) == 3)
        until(lambda: ingest.trouble is None)  # a moment later


def failing_inbox(store: Store, times: int) -> FailingInbox:
    registry = Registry(store)
    inbox = FailingInbox(store, registry, Births(store, registry, None), PlainOpener(registry))
    inbox.times = times
    return inbox


@pytest.fixture
def dying(store: Store) -> FailingInbox:
    return failing_inbox(store, 1_000)


def test_a_cloud_that_dies_before_the_commit_is_sent_the_packet_again(
    broker: LoopbackBroker, store: Store, inbox: Inbox, dying: FailingInbox, bundle: Bundle, device: Device
) -> None:
    """Without a group: rumqttd panics when the last member leaves with messages unacknowledged."""
    with connected(broker.port, "device") as peer:
        with ingesting(broker.port, store, dying, bundle, group="") as ingest:
            announce(peer, device)
            send(peer, device, 1)
            until(lambda: "disk is full" in (ingest.trouble or ""))
        assert stored(store) == 0
        with ingesting(broker.port, store, inbox, bundle, group=""):
            until(lambda: stored(store) == 1)


def test_a_cloud_that_dies_leaves_its_packets_to_the_others_of_its_group(
    broker: LoopbackBroker, store: Store, inbox: Inbox, dying: FailingInbox, bundle: Bundle, device: Device
) -> None:
    with ingesting(broker.port, store, inbox, bundle, "healthy"), connected(broker.port, "device") as peer:
        with ingesting(broker.port, store, dying, bundle, "dying") as ingest:
            announce(peer, device)
            send(peer, device, 4)
            until(lambda: "disk is full" in (ingest.trouble or ""))
            assert stored(store) < 4
        send(peer, device, 1)  # rumqttd hands on what is left when the next message comes
        until(lambda: stored(store) == 5)


def test_poison_is_settled_and_does_not_hold_up_what_follows(
    broker: LoopbackBroker, store: Store, inbox: Inbox, bundle: Bundle, device: Device
) -> None:
    with ingesting(broker.port, store, inbox, bundle) as ingest, connected(broker.port, "device") as peer:
        announce(peer, device)
        for junk in (b"", b"\xa1", b"{}", bytes(60_000)):
            peer.publish(device.topics.sem("gate"), junk)
        send(peer, device, 1)
        until(lambda: stored(store) == 1)
        until(lambda: ingest.counts.get(Outcome.QUARANTINED) == 4)  # counted a moment later
    with store.read() as session:
        assert len(session.scalars(select(QuarantineRow)).all()) == 4


def test_a_device_that_sends_again_what_is_stored_is_told_so(
    broker: LoopbackBroker, store: Store, inbox: Inbox, bundle: Bundle, device: Device
) -> None:
    frame = device.frame(device.packet())
    with ingesting(broker.port, store, inbox, bundle), connected(broker.port, "device") as peer:
        announce(peer, device)
        peer.publish(device.topics.sem("gate"), frame)
        until(lambda: bool(peer.acks) and bool(peer.acks[-1].boots))
        told = len(peer.acks)
        peer.publish(device.topics.sem("gate"), frame)
        until(lambda: len(peer.acks) > told)
        assert peer.acks[-1].boots == peer.acks[told - 1].boots
    assert stored(store) == 1
