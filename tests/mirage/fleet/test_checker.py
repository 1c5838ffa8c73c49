"""What became of packets: the devices' word against a store."""

from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs
from sqlalchemy import insert

from cloud.registry import table_of
from cloud.schema import BootRow, CameraRow, DeviceRow, PacketRow
from cloud.store import Store
from edge.shedding import gap_body
from mirage.bench.chaos.packets import digest
from mirage.fleet.checker import check
from mirage.fleet.report import Spread
from mirage.fleet.settings import Told
from wire.gap import Gap, GapReason
from wire.packet import Layer, Packet

BOOT = "00000000000000aa"
PACKETS = [Packet(number, 2000 * number, 2000, {Layer.CAPTION: bytes((number, 7))}) for number in range(6)]
TOLD = Told(
    device="fleet/site-00/cam-0000",
    boot=BOOT,
    digests=tuple(digest(bytes(packet)) for packet in PACKETS),
    waiting=0,
    dropped=0,
    sent={},
    layers={},
    sent_again=0,
    overrun_bytes=0.0,
    connections=1,
    cuts=0,
    ack_s=(),
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Make a store with one device that has a boot."""
    opened = Store(f"sqlite:///{tmp_path}/store.db")
    device = {"id": 1, "tenant": "fleet", "site": "site-00", "name": "cam-0000", "seen_ms": 0}
    boot = {"id": 1, "device_id": 1, "boot_hex": BOOT, "changed_ms": 0}
    with opened.write() as session:
        session.execute(insert(table_of(DeviceRow)), [device])
        session.execute(insert(table_of(BootRow)), [boot])
        session.execute(insert(table_of(CameraRow)), [{"id": 1, "device_id": 1, "name": "cam"}])
    return opened


def keep(store: Store, *packets: Packet, gap: bool = False) -> None:
    rows = [
        {
            "boot_id": 1, "camera_id": 1, "sequence": packet.sequence, "refresh": False, "historical": False,
            "gap": gap, "size": 1, "body": bytes(packet), "received_ms": 0,
        }
        for packet in packets
    ]  # fmt: skip
    with store.write() as session:
        session.execute(insert(table_of(PacketRow)), rows)


def test_all_is_well_where_all_is_stored_as_it_was(store: Store) -> None:
    keep(store, *PACKETS)
    verdict = check(store, [TOLD])
    assert verdict.ok
    assert (verdict.captured, verdict.stored, verdict.faults) == (6, 6, ())


def test_what_is_neither_stored_nor_waiting_is_lost(store: Store) -> None:
    keep(store, *PACKETS[:2], *PACKETS[4:])
    verdict = check(store, [TOLD])
    assert (verdict.lost, verdict.waiting, verdict.ok) == (2, 0, False)
    assert verdict.faults == ("fleet/site-00/cam-0000: not stored: 2-3",)
    patient = check(store, [structs.replace(TOLD, waiting=2)])
    assert (patient.lost, patient.waiting, patient.ok) == (0, 2, False)


def test_what_a_gap_record_names_is_given_up_and_not_lost(store: Store) -> None:
    keep(store, *PACKETS[:3])
    keep(store, Packet.parse(gap_body(Gap(3, 5, GapReason.SPOOL_FULL), 0)), gap=True)
    verdict = check(store, [TOLD])
    assert (verdict.stored, verdict.given_up, verdict.lost, verdict.ok) == (3, 3, 0, True)


def test_one_other_byte_is_found_and_so_is_a_packet_of_nobody(store: Store) -> None:
    changed = replace(PACKETS[1], layers={Layer.CAPTION: b"x"})
    keep(store, PACKETS[0], changed, *PACKETS[2:], replace(PACKETS[0], sequence=9))
    verdict = check(store, [TOLD])
    assert (verdict.altered, verdict.made_up, verdict.ok) == (1, 1, False)
    assert {fault.partition(": ")[2] for fault in verdict.faults} == {"altered: 1", "made up: 9"}


def test_times_are_summed_up() -> None:
    assert Spread.of([]) == Spread(0, 0.0, 0.0, 0.0, 0.0)
    assert Spread.of([2.0]) == Spread(1, 2.0, 2.0, 2.0, 2.0)
    spread = Spread.of([float(number) for number in range(101)])
    assert (spread.p50_s, spread.p95_s, spread.p99_s, spread.max_s) == (50.0, 95.0, 99.0, 100.0)
