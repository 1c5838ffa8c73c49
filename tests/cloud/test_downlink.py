"""What goes down: sealed under the newest key, and no counter twice, whoever sends and whoever dies."""

import threading
from collections.abc import Sequence

import pytest

from cloud.acks import ack_of
from cloud.downlink import Letter, SealedDownlink
from cloud.schema import KeyRow
from cloud.store import Store
from tests.cloud.desk import NOW_MS
from tests.cloud.sealed import SealedDesk, SealedDevice
from wire import documents
from wire.bundle import Bundle
from wire.documents import Ack, AckWatermark
from wire.envelope import EnvelopeError, read_header


@pytest.fixture
def desk(store: Store, bundle: Bundle) -> SealedDesk:
    return SealedDesk(store, bundle)


@pytest.fixture
def device(desk: SealedDesk, bundle: Bundle) -> SealedDevice:
    made = SealedDevice(bundle)
    desk.enrol(made)
    desk.birth(made)
    return made


def counters(frames: Sequence[bytes | None]) -> list[int]:
    return [read_header(frame).counter for frame in frames if frame is not None]


def test_an_acknowledgement_is_for_its_device_alone_and_tells_the_time(
    desk: SealedDesk, device: SealedDevice
) -> None:
    desk.sem(device, device.packet())
    with desk.store.read() as session:
        topic, ack = ack_of(session, 1, NOW_MS)
    (frame,) = SealedDownlink(desk.store).frames([Letter(1, topic, documents.encode(ack))])
    assert frame is not None
    body = device.opened(frame, device.topics.ack)
    assert documents.decode_ack(body) == Ack({device.boot_hex: AckWatermark(0)}, NOW_MS)
    with pytest.raises(EnvelopeError):
        device.opened(frame, device.topics.cmd("ping"))


def test_the_newest_key_is_used_and_begins_anew(desk: SealedDesk, device: SealedDevice) -> None:
    downlink, letter = SealedDownlink(desk.store), Letter(1, device.topics.ack, b"a")
    downlink.frames([letter] * 3)
    device.connect(device.key_id + 1)
    desk.birth(device)
    frames = downlink.frames([letter, letter])
    assert counters(frames) == [0, 1]
    assert [device.opened(frame or b"", letter.topic) for frame in frames] == [b"a", b"a"]


def test_a_device_without_a_key_is_not_written_to(desk: SealedDesk, device: SealedDevice) -> None:
    del device
    with desk.store.write() as session:
        session.query(KeyRow).delete()
    assert SealedDownlink(desk.store).frames([Letter(1, "a", b"b")]) == [None]


def test_a_sender_that_dies_before_it_publishes_has_used_up_its_counter(
    desk: SealedDesk, device: SealedDevice
) -> None:
    letter = Letter(1, device.topics.ack, b"a")
    lost = SealedDownlink(desk.store).frames([letter])
    after = SealedDownlink(desk.store).frames([letter])
    assert counters([*lost, *after]) == [0, 1]


def test_two_processes_never_use_a_counter_twice(any_store: Store, store_url: str, bundle: Bundle) -> None:
    desk, device = SealedDesk(any_store, bundle), SealedDevice(bundle)
    desk.enrol(device)
    desk.birth(device)
    letter = Letter(1, device.topics.ack, b"a")
    frames = list[bytes | None]()

    def send() -> None:
        store = Store(store_url)
        downlink = SealedDownlink(store)
        for _ in range(20):
            frames.extend(downlink.frames([letter, letter]))
        store.close()

    threads = [threading.Thread(target=send, name=f"sender-{number}") for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(counters(frames)) == list(range(80))
