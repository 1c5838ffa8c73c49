"""What is derived after it was stored: all of it, in the end, as if it had come in order and nobody died."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from cloud import index
from cloud.bundles import Bundles
from cloud.catalog import Catalog
from cloud.derivation import LEASE_MS, Derivation
from cloud.index import Reading
from cloud.message import Message, Outcome
from cloud.schema import BootRow, PacketRow, QuarantineRow, SegmentRow
from cloud.store import ContentError, Store
from tests.bundles import CAPTIONS
from tests.cloud.desk import NOW_MS, Desk
from tests.cloud.sample import Device
from wire.bundle import Bundle
from wire.documents import Birth, CameraInfo
from wire.packet import Packet

CAMERA_ID = "acme/north/jetson-1/gate"


class Floor:
    """Stores now, derives when told; several derive on one clock."""

    def __init__(self, store: Store, bundle: Bundle) -> None:
        self.store = store
        self.bundle = bundle
        self.desk = Desk(store, [bundle])
        self.now_ms = NOW_MS
        self.derivation = self.another()

    def another(self) -> Derivation:
        return Derivation(self.store, Bundles([self.bundle]), render_all=False, clock=lambda: self.now_ms)

    def store_all(self, device: Device, *packets: Packet, camera: str = "gate") -> None:
        topic = device.topics.sem(camera)
        messages = [Message(topic, device.frame(packet, camera), NOW_MS) for packet in packets]
        outcomes = {receipt.outcome for receipt in self.desk.inbox.accept(messages)}
        assert outcomes == {Outcome.STORED}

    def underived(self) -> int:
        with self.store.read() as session:
            query = select(func.count()).select_from(PacketRow).where(PacketRow.underived.is_not(None))
            return session.scalar(query) or 0

    def derive_all(self, most: int = 32) -> None:
        while self.derivation.work(most):
            self.now_ms += 1

    def birth(self, device: Device) -> None:
        self.desk.inbox.accept([Message(device.topics.birth, device.birth(), NOW_MS)])


@pytest.fixture
def floor(store: Store, bundle: Bundle, device: Device) -> Floor:
    made = Floor(store, bundle)
    made.birth(device)
    return made


def test_what_is_stored_and_not_derived_yet_is_counted_but_not_shown(floor: Floor, device: Device) -> None:
    floor.store_all(device, device.packet(), device.packet())
    catalog = Catalog(floor.store)
    assert catalog.cameras()[0].segments == 2
    assert catalog.segments(CAMERA_ID) == []
    floor.derive_all()
    assert [segment.caption for segment in catalog.segments(CAMERA_ID)] == [CAPTIONS[0]] * 2
    assert floor.underived() == 0


@pytest.mark.parametrize("most", [1, 2, 3, 100])
def test_how_much_is_derived_at_once_makes_no_difference(floor: Floor, device: Device, most: int) -> None:
    packets = [device.packet(CAPTIONS[number // 5]) for number in range(12)]
    floor.store_all(device, *(packets[number] for number in (3, 1, 11, 8, 0, 2, 9, 10, 7, 4, 6, 5)))
    floor.derive_all(most)
    assert floor.desk.captions() == [CAPTIONS[number // 5] for number in range(12)]
    assert floor.desk.faults() == []


@pytest.mark.parametrize("most", [1, 4])
def test_cameras_of_one_device_are_told_apart(floor: Floor, bundle: Bundle, most: int) -> None:
    cameras = (CameraInfo("gate", 640, 480, 25.0), CameraInfo("yard", 640, 480, 25.0))
    device = Device(bundle, name="two-eyes", cameras=cameras)
    floor.birth(device)
    wanted = list[str | None]()
    for number in range(10):
        camera, caption = ("gate", "yard")[number % 2], CAPTIONS[number % 2]
        floor.store_all(device, device.packet(caption, camera=camera), camera=camera)
        wanted.append(caption)
    floor.derive_all(most)
    assert floor.desk.captions() == wanted


def test_live_comes_before_backlog_and_backlog_then_explains_it(floor: Floor, device: Device) -> None:
    packets = [device.packet() for _ in range(4)]
    floor.store_all(device, *(replace(packet, historical=True) for packet in packets[:3]))
    floor.store_all(device, packets[3])
    floor.derivation.work(1)
    with floor.store.read() as session:
        derived = select(PacketRow.sequence).join(SegmentRow, SegmentRow.packet_id == PacketRow.id)
        assert session.scalars(derived).all() == [3]
    floor.derive_all()
    assert floor.desk.captions() == [CAPTIONS[0]] * 4


def test_a_late_packet_has_only_those_derived_again_that_hang_on_it(floor: Floor, device: Device) -> None:
    packets = [device.packet() for _ in range(3)]
    packets += [device.packet(refresh=True), device.packet()]
    floor.store_all(device, packets[0], *packets[2:])
    floor.derive_all()
    floor.store_all(device, packets[1])
    assert floor.derivation.work() == 1
    assert floor.underived() == 1
    floor.derive_all()
    assert (floor.desk.captions(), floor.desk.faults()) == ([CAPTIONS[0]] * 5, [])


def test_what_a_dead_process_left_is_derived_once_its_lease_is_over(
    floor: Floor, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    floor.store_all(device, device.packet())
    with monkeypatch.context() as patch:
        patch.setattr(index, "read", _killed)
        with pytest.raises(KeyboardInterrupt):
            floor.another().work()
    assert floor.derivation.work() == 0
    floor.now_ms += LEASE_MS + 1
    assert floor.derivation.work() == 1


def _killed(*_: object) -> Reading:
    raise KeyboardInterrupt


def test_several_derive_side_by_side(any_store: Store, store_url: str, bundle: Bundle) -> None:
    floor = Floor(any_store, bundle)
    devices = [Device(bundle, name=f"jetson-{number}") for number in range(6)]
    for device in devices:
        floor.birth(device)
        packets = [device.packet(CAPTIONS[number // 4]) for number in range(12)]
        floor.store_all(device, *packets[::2], *packets[1::2])
    done = list[int]()

    def derive() -> None:
        store = Store(store_url)
        derivation = Derivation(store, Bundles([bundle]), render_all=False)
        while floor.underived():
            done.append(derivation.work(5))
        store.close()

    threads = [threading.Thread(target=derive, name=f"derive-{number}") for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(done) >= 72
    assert floor.desk.faults() == []
    assert floor.desk.captions() == [CAPTIONS[number // 4] for number in range(12)] * 6


def test_a_lease_from_a_clock_that_was_set_back_holds_up_nobody(floor: Floor, device: Device) -> None:
    floor.store_all(device, device.packet())
    with floor.store.write() as session:
        session.execute(update(BootRow).values(lease_ms=NOW_MS + 86_400_000))
    assert floor.derivation.work() == 1


def interrupting(monkeypatch: pytest.MonkeyPatch, meanwhile: Iterator[object]) -> None:
    """Take the next step of `meanwhile` before each packet is read."""
    read = index.read

    def reading(
        packet: Packet, at_ms: int, birth: Birth | None, before: Reading | None, bundles: Bundles
    ) -> Reading:
        next(meanwhile, None)
        return read(packet, at_ms, birth, before, bundles)

    monkeypatch.setattr(index, "read", reading)


def test_who_was_slower_than_his_lease_changes_nothing(
    floor: Floor, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    floor.store_all(device, device.packet())

    def overtaken() -> Iterator[object]:
        floor.now_ms += LEASE_MS + 1
        yield floor.another().work()
        with floor.store.write() as session:
            yield session.execute(update(SegmentRow).values(caption="of the other"))

    interrupting(monkeypatch, overtaken())
    floor.derivation.work()
    monkeypatch.undo()
    floor.derive_all()
    assert len(floor.desk.captions()) == 1


def test_a_birth_that_comes_while_its_packets_are_read_is_not_missed(
    floor: Floor, bundle: Bundle, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = Device(bundle, boot=9)
    backlog = replace(earlier.packet(), historical=True, boot_id=bytes.fromhex(earlier.boot_hex))
    floor.store_all(device, backlog)

    def born() -> Iterator[object]:
        floor.birth(earlier)
        yield None

    interrupting(monkeypatch, born())
    floor.derivation.work()
    floor.derive_all()
    assert (floor.desk.captions(), floor.desk.faults()) == ([CAPTIONS[0]], [])


def test_a_packet_that_nobody_foresaw_is_put_away_and_the_others_go_on(
    floor: Floor, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison, good = device.packet(CAPTIONS[1]), device.packet(CAPTIONS[2])
    floor.store_all(device, poison, good)
    read = index.read

    def reading(
        packet: Packet, at_ms: int, birth: Birth | None, before: Reading | None, bundles: Bundles
    ) -> Reading:
        if packet.sequence == poison.sequence:
            raise ZeroDivisionError("a mistake of ours")
        return read(packet, at_ms, birth, before, bundles)

    monkeypatch.setattr(index, "read", reading)
    floor.derive_all()
    assert floor.desk.captions() == [None, CAPTIONS[2]]
    assert floor.desk.faults() == ["ZeroDivisionError: a mistake of ours"]
    with floor.store.read() as session:
        row = session.scalars(select(QuarantineRow)).one()
    assert (row.reason, row.frame) == ("ZeroDivisionError: a mistake of ours", bytes(poison))


def test_what_the_database_does_not_take_is_put_away_and_the_others_go_on(
    floor: Floor, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    floor.store_all(device, device.packet(CAPTIONS[1]), device.packet(CAPTIONS[2]))
    write = floor.store.write

    @contextmanager
    def choosy() -> Iterator[Session]:
        with write() as session:
            yield session
            if session.scalar(select(SegmentRow.packet_id).where(SegmentRow.caption == CAPTIONS[1])):
                raise ContentError("the database does not take this")

    monkeypatch.setattr(floor.store, "write", choosy)
    floor.derive_all()
    assert floor.desk.captions() == [None, CAPTIONS[2]]
    assert floor.desk.faults() == ["the database does not take this"]
    assert floor.desk.count(QuarantineRow) == 1
    assert floor.underived() == 0
