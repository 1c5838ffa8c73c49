"""Gap records: every sequence is stored once, or given up once, whatever came before."""

from dataclasses import replace

from sqlalchemy import select

from cloud.message import Outcome
from cloud.schema import PacketRow
from cloud.watermark import Watermark
from tests.cloud.desk import Desk
from tests.cloud.sample import Device
from wire import gap
from wire.gap import Gap, GapReason
from wire.packet import Layer, Packet


def gap_record(first: int, last: int) -> Packet:
    return Packet(first, 1_000, 0, {Layer.GAP: gap.encode(Gap(first, last, GapReason.SPOOL_FULL))})


def test_a_gap_record_takes_the_place_of_its_first_packet_and_yields_to_what_is_here(
    desk: Desk, device: Device
) -> None:
    desk.birth(device)
    packets = [device.packet() for _ in range(8)]
    for each in (packets[1], packets[4]):
        desk.sem(device, each)
    assert desk.sem(device, gap_record(1, 6)) == Outcome.STORED
    assert desk.sem(device, gap_record(1, 6)) == Outcome.DUPLICATE
    assert desk.sem(device, gap_record(1, 7)) == Outcome.STORED, "it has grown since"
    assert desk.watermark(device.boot_hex) == Watermark(7, ((0, 0),))
    with desk.store.read() as session:
        rows = session.scalars(select(PacketRow).order_by(PacketRow.sequence)).all()
        kept = [Packet.parse(row.body) for row in rows]
    noted = [gap.decode(each.layers[Layer.GAP]) for each in kept if Layer.GAP in each.layers]
    assert [each.sequence for each in kept] == [1, 2, 4, 5, 7]
    assert noted == [Gap(*each, GapReason.SPOOL_FULL) for each in ((2, 3), (5, 6), (7, 7))]


def test_a_packet_that_was_given_up_and_comes_after_all_is_no_poison(desk: Desk, device: Device) -> None:
    desk.birth(device)
    packets = [device.packet() for _ in range(3)]
    desk.sem(device, gap_record(0, 1))
    assert desk.sem(device, packets[0]) == Outcome.DUPLICATE
    assert desk.sem(device, packets[1]) == Outcome.DUPLICATE, "behind the first of the record, too"
    assert desk.sem(device, packets[2]) == Outcome.STORED


def test_a_packet_that_lost_its_detail_on_the_device_is_the_same_packet(desk: Desk, device: Device) -> None:
    desk.birth(device)
    rich = replace(device.packet(), layers={Layer.CAPTION: b"", Layer.APPEARANCE_DETAIL: b"fine"})
    poor = replace(rich, layers={Layer.CAPTION: b""})
    other = replace(rich, layers={Layer.CAPTION: b"x"}, boot_id=bytes.fromhex(device.boot_hex))
    assert desk.sem(device, rich) == Outcome.STORED
    assert desk.sem(device, poor) == Outcome.DUPLICATE
    assert desk.sem(device, other) == Outcome.QUARANTINED
