"""Acknowledgements: gathered, and never of more than is stored."""

from dataclasses import replace

from cloud.acks import BIRTH_PATIENCE_MS, GATHER_MS, AckPace, ack_of
from tests.cloud.desk import NOW_MS, Desk
from tests.cloud.sample import Device
from wire.bundle import Bundle
from wire.documents import Ack, AckWatermark


def test_a_burst_is_acknowledged_once_and_soon() -> None:
    pace = AckPace(5_000)
    for at_ms in (0, 50, 100):
        pace.owe(1, at_ms)
    assert pace.due(GATHER_MS - 1) == []
    assert pace.due(GATHER_MS) == [1]
    assert pace.due(60_000) == []


def test_a_stream_is_acknowledged_at_intervals() -> None:
    pace = AckPace(5_000)
    sent = []
    for at_ms in range(0, 20_000, 100):
        if at_ms % 2_000 == 0:
            pace.owe(1, at_ms)
        sent += [at_ms for _ in pace.due(at_ms)]
    assert sent == [200, 5_200, 10_200, 15_200]


def test_devices_do_not_wait_for_each_other() -> None:
    pace = AckPace(5_000)
    pace.owe(1, 0)
    pace.due(GATHER_MS)
    pace.owe(1, 300)
    pace.owe(2, 300)
    assert pace.due(300 + GATHER_MS) == [2]
    assert pace.due(600, hurry=True) == [1]


def test_an_ack_names_the_boots_whose_packets_came_since_the_device_started(
    desk: Desk, bundle: Bundle, device: Device
) -> None:
    desk.birth(device)
    desk.sem(device, device.packet())
    unsent = device.packet()
    rebooted = Device(bundle, boot=2)
    desk.deliver(rebooted.topics.birth, rebooted.birth(), NOW_MS + 1_000)
    desk.deliver(rebooted.topics.sem("gate"), rebooted.frame(rebooted.packet()), NOW_MS + 2_000)
    with desk.store.read() as session:
        topic, ack = ack_of(session, 1, NOW_MS)
    assert topic == device.topics.ack
    assert ack == Ack({rebooted.boot_hex: AckWatermark(0)}, NOW_MS)
    backlog = replace(unsent, historical=True, boot_id=bytes.fromhex(device.boot_hex))
    desk.deliver(device.topics.sem("gate"), device.frame(backlog), NOW_MS + 3_000)
    with desk.store.read() as session:
        _, ack = ack_of(session, 1, NOW_MS)
    assert ack == Ack({rebooted.boot_hex: AckWatermark(0), device.boot_hex: AckWatermark(1)}, NOW_MS)


def test_a_clock_that_was_set_back_keeps_no_receipt_from_a_device(
    desk: Desk, bundle: Bundle, device: Device
) -> None:
    desk.birth(device)
    unsent = device.packet()
    rebooted = Device(bundle, boot=2)
    desk.deliver(rebooted.topics.birth, rebooted.birth(), NOW_MS)
    set_back_ms = NOW_MS - 86_400_000
    desk.deliver(rebooted.topics.sem("gate"), rebooted.frame(rebooted.packet()), set_back_ms)
    backlog = replace(unsent, historical=True, boot_id=bytes.fromhex(device.boot_hex))
    desk.deliver(device.topics.sem("gate"), device.frame(backlog), set_back_ms + 1_000)
    with desk.store.read() as session:
        _, ack = ack_of(session, 1, set_back_ms + 2_000)
        _, later = ack_of(session, 1, set_back_ms + 600_000)
    assert ack.boots == {rebooted.boot_hex: AckWatermark(0), device.boot_hex: AckWatermark(0)}
    assert later.boots == {rebooted.boot_hex: AckWatermark(0)}


def test_a_boot_is_acknowledged_when_its_birth_is_here_or_is_not_to_be_hoped_for(
    desk: Desk, bundle: Bundle, device: Device
) -> None:
    earlier = Device(bundle, boot=2)
    desk.birth(device)
    backlog = replace(earlier.packet(), historical=True, boot_id=bytes.fromhex(earlier.boot_hex))
    desk.deliver(device.topics.sem("gate"), device.frame(backlog), NOW_MS)
    with desk.store.read() as session:
        _, ack = ack_of(session, 1, NOW_MS + 1_000)
        _, later = ack_of(session, 1, NOW_MS + BIRTH_PATIENCE_MS)
    assert ack.boots == {}
    assert later.boots == {earlier.boot_hex: AckWatermark(0)}
    desk.deliver(device.topics.birth, earlier.birth(), NOW_MS + 2_000)
    with desk.store.read() as session:
        _, ack = ack_of(session, 1, NOW_MS + 3_000)
    assert ack.boots == {earlier.boot_hex: AckWatermark(0)}
