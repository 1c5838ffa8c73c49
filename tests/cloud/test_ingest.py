"""Ingest over a real broker: stored, then acknowledged; nothing is lost, nothing doubled."""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cloud.bundles import Bundles
from cloud.config import Broker
from cloud.inbox import Inbox, Message, Outcome, Receipt
from cloud.index import Index
from cloud.ingest import Ingest
from cloud.intake import Intake
from cloud.schema import PacketRow, QuarantineRow, SegmentRow
from cloud.store import Store, StoreError
from cloud.subscription import Subscription
from mirage.demo.broker import LoopbackBroker
from tests.bundles import CAPTIONS
from tests.cloud.peer import Peer, connected
from tests.cloud.sample import Device
from tests.cloud.waiting import until
from tests.descriptors import open_sockets
from wire.bundle import Bundle
from wire.documents import AckWatermark
from wire.envelope import PlainEnvelope


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[LoopbackBroker]:
    running = LoopbackBroker(tmp_path)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def inbox(bundle: Bundle) -> Inbox:
    index = Index(Bundles([bundle]))
    return Inbox(index, Intake(index, render_all=False), PlainEnvelope())


@contextmanager
def ingesting(
    port: int, store: Store, inbox: Inbox, client: str = "mirage-cloud", group: str = "cloud"
) -> Iterator[Ingest]:
    settings = Broker("127.0.0.1", port, group=group, client=client, ack_interval_s=0.2)
    ingest = Ingest(settings, store, inbox)
    stop = threading.Event()
    thread = threading.Thread(target=ingest.run, args=(stop,), name="ingest")
    thread.start()
    try:
        until(lambda: ingest.trouble is None)
        yield ingest
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def announce(peer: Peer, device: Device) -> None:
    peer.client.subscribe(device.topics.ack, qos=1)
    peer.publish(device.topics.birth, device.birth(), retain=True)


def send(peer: Peer, device: Device, count: int) -> None:
    for _ in range(count):
        peer.publish(device.topics.sem("gate"), device.frame(device.packet(CAPTIONS[0])))


def stored(store: Store) -> int:
    with store.read() as session:
        return session.scalar(select(func.count()).select_from(PacketRow)) or 0


def test_packets_are_stored_and_acknowledged_to_the_device(
    broker: LoopbackBroker, store: Store, inbox: Inbox, device: Device
) -> None:
    with ingesting(broker.port, store, inbox) as ingest, connected(broker.port, "device") as peer:
        announce(peer, device)
        send(peer, device, 5)
        until(lambda: bool(peer.acks) and peer.acks[-1].boots[device.boot_hex] == AckWatermark(4))
        assert ingest.counts == {Outcome.BIRTH: 1, Outcome.STORED: 5}
    with store.read() as session:
        assert session.scalars(select(SegmentRow.caption)).all() == [CAPTIONS[0]] * 5


def test_a_retained_birth_is_found_by_a_cloud_that_starts_later(
    broker: LoopbackBroker, store: Store, inbox: Inbox, device: Device
) -> None:
    with connected(broker.port, "device") as peer:
        announce(peer, device)
        with ingesting(broker.port, store, inbox) as ingest:
            until(lambda: ingest.counts.get(Outcome.BIRTH) == 1)
            send(peer, device, 1)
            until(lambda: stored(store) == 1)


def test_what_was_sent_while_the_cloud_was_away_comes_when_it_is_back(
    broker: LoopbackBroker, store: Store, inbox: Inbox, device: Device
) -> None:
    with connected(broker.port, "device") as peer:
        with ingesting(broker.port, store, inbox):
            announce(peer, device)
            send(peer, device, 2)
            until(lambda: stored(store) == 2)
        send(peer, device, 3)
        with ingesting(broker.port, store, inbox):
            until(lambda: stored(store) == 5)


def test_two_clouds_of_a_group_share_the_packets_and_both_know_the_device(
    broker: LoopbackBroker, store: Store, inbox: Inbox, device: Device
) -> None:
    with (
        ingesting(broker.port, store, inbox, "one") as one,
        ingesting(broker.port, store, inbox, "two") as two,
        connected(broker.port, "device") as peer,
    ):
        announce(peer, device)
        until(lambda: one.counts.get(Outcome.BIRTH, 0) == two.counts.get(Outcome.BIRTH, 0) == 1)
        send(peer, device, 20)
        until(lambda: stored(store) == 20)
        assert one.counts.get(Outcome.STORED, 0) + two.counts.get(Outcome.STORED, 0) == 20
        assert min(one.counts.get(Outcome.STORED, 0), two.counts.get(Outcome.STORED, 0)) > 0


def test_a_broker_that_goes_away_is_awaited(
    broker: LoopbackBroker, store: Store, inbox: Inbox, device: Device
) -> None:
    with ingesting(broker.port, store, inbox) as ingest:
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
        subscription = Subscription(Broker("127.0.0.1", broker.port), lambda: 0)
        subscription.open()
        until(lambda: subscription.trouble is None)
        assert open_sockets() > before
        subscription.close()

    gc.collect()
    gc.disable()
    try:
        before = open_sockets()
        subscribe()
        assert open_sockets() == before
    finally:
        gc.enable()


def test_a_broker_that_is_not_there_is_named(store: Store, inbox: Inbox, tmp_path: Path) -> None:
    absent = LoopbackBroker(tmp_path)
    ingest = Ingest(Broker("127.0.0.1", absent.port), store, inbox)
    stop = threading.Event()
    thread = threading.Thread(target=ingest.run, args=(stop,), name="ingest")
    thread.start()
    until(lambda: "cannot be reached" in (ingest.trouble or ""))
    stop.set()
    thread.join(10)
    assert not thread.is_alive()


class FailingInbox(Inbox):
    """Fails as a full disk does, `times` times, after the message was looked at."""

    times = 0

    def accept(self, session: Session, message: Message) -> Receipt:
        receipt = super().accept(session, message)
        if receipt.outcome == Outcome.STORED and self.times:
            self.times -= 1
            raise StoreError("database or disk is full")
        return receipt


def test_a_store_that_fails_for_a_while_loses_nothing(
    broker: LoopbackBroker, store: Store, bundle: Bundle, device: Device
) -> None:
    index = Index(Bundles([bundle]))
    inbox = FailingInbox(index, Intake(index, render_all=False), PlainEnvelope())
    inbox.times = 1
    with ingesting(broker.port, store, inbox) as ingest, connected(broker.port, "device") as peer:
        announce(peer, device)
        send(peer, device, 3)
        until(lambda: "disk is full" in (ingest.trouble or ""))
        assert not peer.acks
        until(lambda: stored(store) == 3)
        assert ingest.trouble is None


@pytest.fixture
def dying(bundle: Bundle) -> FailingInbox:
    index = Index(Bundles([bundle]))
    inbox = FailingInbox(index, Intake(index, render_all=False), PlainEnvelope())
    inbox.times = 1_000
    return inbox


def test_a_cloud_that_dies_before_the_commit_is_sent_the_packet_again(
    broker: LoopbackBroker, store: Store, inbox: Inbox, dying: FailingInbox, device: Device
) -> None:
    """Without a group: rumqttd panics when the last member leaves with messages unacknowledged."""
    with connected(broker.port, "device") as peer:
        with ingesting(broker.port, store, dying, group="") as ingest:
            announce(peer, device)
            send(peer, device, 1)
            until(lambda: "disk is full" in (ingest.trouble or ""))
        assert stored(store) == 0
        with ingesting(broker.port, store, inbox, group=""):
            until(lambda: stored(store) == 1)


def test_a_cloud_that_dies_leaves_its_packets_to_the_others_of_its_group(
    broker: LoopbackBroker, store: Store, inbox: Inbox, dying: FailingInbox, device: Device
) -> None:
    with ingesting(broker.port, store, inbox, "healthy"), connected(broker.port, "device") as peer:
        with ingesting(broker.port, store, dying, "dying") as ingest:
            announce(peer, device)
            send(peer, device, 4)
            until(lambda: "disk is full" in (ingest.trouble or ""))
            assert stored(store) < 4
        send(peer, device, 1)  # rumqttd hands on what is left when the next message comes
        until(lambda: stored(store) == 5)


def test_poison_is_settled_and_does_not_hold_up_what_follows(
    broker: LoopbackBroker, store: Store, inbox: Inbox, device: Device
) -> None:
    with ingesting(broker.port, store, inbox) as ingest, connected(broker.port, "device") as peer:
        announce(peer, device)
        for junk in (b"", b"\xa1", b"{}", bytes(60_000)):
            peer.publish(device.topics.sem("gate"), junk)
        send(peer, device, 1)
        until(lambda: stored(store) == 1)
        assert ingest.counts[Outcome.QUARANTINED] == 4
    with store.read() as session:
        assert len(session.scalars(select(QuarantineRow)).all()) == 4


def test_a_device_that_sends_again_what_is_stored_is_told_so(
    broker: LoopbackBroker, store: Store, inbox: Inbox, device: Device
) -> None:
    frame = device.frame(device.packet())
    with ingesting(broker.port, store, inbox), connected(broker.port, "device") as peer:
        announce(peer, device)
        peer.publish(device.topics.sem("gate"), frame)
        until(lambda: len(peer.acks) == 1)
        peer.publish(device.topics.sem("gate"), frame)
        until(lambda: len(peer.acks) == 2)
        assert peer.acks[0] == peer.acks[1]
    assert stored(store) == 1
