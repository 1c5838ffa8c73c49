"""Packets whose time is over: they go by the group, others mean what they meant. On both databases."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from cloud import acks
from cloud.excerpt import excerpt
from cloud.message import Outcome
from cloud.retention.groups import OPEN_MS
from cloud.schema import ClipRow, JobRow, PacketRow, SegmentRow
from cloud.search import Search, Wanted
from cloud.store import Store
from cloud.watermark import Watermark
from tests.bundles import CAPTIONS
from tests.cloud.desk import NOW_MS
from tests.cloud.retention.archive import DAY_MS, Archive
from tests.cloud.sealed import SealedDesk, SealedDevice
from tests.cloud.test_gaps import gap_record
from wire.bundle import Bundle
from wire.packet import Packet


def test_old_packets_go_by_the_group_and_the_others_are_read_as_before(archive: Archive) -> None:
    archive.record(2)
    archive.now_ms += DAY_MS
    archive.record(2)
    archive.now_ms += DAY_MS // 2
    gone = archive.prune(packets_days=1)
    assert archive.sequences() == list(range(6, 12))
    (tally,) = gone.cameras.values()
    assert (tally.packets, tally.clips) == (6, 0)
    archive.derive_again()
    assert archive.captions() == [CAPTIONS[0]] * 6
    assert archive.counted() == archive.measured()


def test_a_group_stays_until_its_last_packet_is_old(archive: Archive) -> None:
    archive.record(1, size=2)
    archive.now_ms += DAY_MS
    archive.receive(archive.device.packet(CAPTIONS[0]))
    archive.record(1)
    archive.now_ms += DAY_MS // 2
    archive.prune(packets_days=1)
    assert archive.sequences() == list(range(6))


def test_a_packet_that_is_gone_is_not_stored_again_and_still_acknowledged(archive: Archive) -> None:
    packets = archive.record(3)
    archive.now_ms += 30 * DAY_MS
    archive.record(1)
    archive.prune(packets_days=7)
    before = archive.desk.count(PacketRow)
    for packet in packets:
        receipt = archive.receive(packet)
        assert receipt.outcome is Outcome.DUPLICATE
        assert receipt.owed is not None
    assert archive.desk.count(PacketRow) == before
    with archive.store.read() as session:
        _, ack = acks.ack_of(session, 1, archive.now_ms)
    assert ack.boots[archive.device.boot_hex].highest == 11


def test_who_replays_a_sealed_packet_that_is_gone_with_its_birth_stores_nothing(
    any_store: Store, bundle: Bundle, tmp_path: Path
) -> None:
    desk, device = SealedDesk(any_store, bundle), SealedDevice(bundle)
    desk.enrol(device)
    births, frames = list[bytes](), list[bytes]()
    for _ in range(2):  # boots
        births.append(device.birth())
        desk.deliver(device.topics.birth, births[-1])
        for _ in range(3):
            frames.append(device.frame(device.packet(refresh=True)))
            assert desk.deliver(device.topics.sem("gate"), frames[-1]) is Outcome.STORED
        device.reboot()
    archive = Archive(any_store, tmp_path, bundle, NOW_MS + OPEN_MS + DAY_MS)
    archive.prune(packets_days=1)
    left = desk.count(PacketRow)
    assert left == 1, "the last one that was stored"
    for birth in births:
        desk.deliver(device.topics.birth, birth)
    outcomes = [desk.deliver(device.topics.sem("gate"), frame) for frame in frames]
    assert outcomes == [Outcome.DUPLICATE] * 6
    assert desk.count(PacketRow) == left


def test_what_goes_of_one_camera_does_not_seem_lost_to_another(archive: Archive) -> None:
    """Sequences count the packets of all cameras of a boot."""
    archive.record(1, size=1)
    for _ in range(3):
        archive.record(1, size=1, camera="yard")
        archive.receive(archive.device.packet(CAPTIONS[0]))  # as before
    archive.record(1, size=1, camera="yard")
    archive.prune(packets_bytes_per_camera=archive.counted("yard")[1] // 2)
    assert archive.sequences("yard") == [5, 7]
    archive.derive_again()
    assert archive.desk.faults() == []
    with archive.store.read() as session:
        links = excerpt(session, archive.packet_id(6)).links
    assert [link.broken for link in links] == [True, False, False, False]


def test_what_was_given_up_still_counts_as_lost_when_its_neighbours_are_gone(archive: Archive) -> None:
    archive.record(1, size=1)
    archive.record(1, size=1, camera="yard")
    lost = archive.device.packet(CAPTIONS[1], camera="yard")
    archive.receive(gap_record(lost.sequence, lost.sequence), "yard")
    archive.record(2, size=1, camera="yard")
    changed = archive.device.packet(CAPTIONS[0])
    archive.receive(changed)
    archive.prune(packets_bytes_per_camera=archive.counted("yard")[1] // 2)
    assert archive.sequences() == [0, 5]
    assert 1 not in archive.sequences("yard")
    archive.derive_again()
    (fault,) = archive.desk.faults()
    assert f"packet {changed.sequence}" in fault


def test_gap_records_go_once_nothing_before_them_is_left(archive: Archive) -> None:
    archive.record(1)
    archive.device.sequence += 2
    archive.receive(gap_record(3, 4))
    archive.record(1)
    archive.now_ms += DAY_MS
    archive.record(1)
    archive.prune(packets_days=0.5)
    assert archive.sequences() == [8, 9, 10]
    with archive.store.read() as session:
        assert session.scalar(select(PacketRow.id).where(PacketRow.gap)) is None
    assert archive.counted() == archive.measured()
    assert archive.receive(gap_record(3, 4)).outcome is Outcome.DUPLICATE


def test_the_last_group_of_a_boot_waits_for_what_a_spool_may_still_hold(archive: Archive) -> None:
    archive.record(1, size=1)
    late = archive.device.packet(CAPTIONS[0])
    archive.device.boot += 1
    archive.now_ms += OPEN_MS - 1
    archive.prune(packets_days=1)
    assert archive.sequences() == [0]
    archive.device.boot -= 1
    archive.receive(late)
    assert archive.captions() == [CAPTIONS[0]] * 2
    archive.record(1, camera="yard")
    archive.now_ms += OPEN_MS + DAY_MS
    archive.prune(packets_days=1)
    assert archive.sequences() == []


def test_a_group_with_a_hole_waits_for_what_belongs_there(archive: Archive) -> None:
    first, late, last = (archive.device.packet(CAPTIONS[0]) for _ in range(3))
    archive.receive(first)
    archive.receive(last)
    archive.record(2)
    archive.now_ms += 2 * DAY_MS
    archive.prune(packets_days=1)
    assert archive.sequences() == [0, 2, 6, 7, 8], "the last one is the last of its boot"
    archive.receive(late)
    archive.derive_again()
    assert archive.desk.faults() == []
    archive.now_ms += 2 * DAY_MS
    archive.record(1, camera="yard")
    archive.prune(packets_days=1)
    assert archive.sequences() == [6, 7, 8]


def test_no_id_of_a_packet_that_is_gone_is_given_out_again(archive: Archive) -> None:
    archive.record(2)
    before = archive.packet_id(5)
    archive.now_ms += OPEN_MS + DAY_MS
    archive.prune(packets_days=1)
    assert archive.sequences() == [3, 4, 5]
    archive.record(1)
    assert archive.packet_id(6) > before
    archive.prune(packets_days=1)
    assert archive.sequences() == [6, 7, 8]


def test_with_a_packet_all_goes_that_hangs_on_it(archive: Archive) -> None:
    archive.record(2)
    archive.render(0, 3)
    archive.now_ms += DAY_MS
    gone = archive.prune(packets_days=0.5)
    (tally,) = gone.cameras.values()
    assert (tally.packets, tally.clips) == (3, 1)
    kept = archive.packet_id(3)
    assert archive.jobs() == [kept]
    with archive.store.read() as session:
        assert session.scalars(select(ClipRow.packet_id)).all() == [kept]
    assert archive.files() == [".jpg", ".mp4"]
    found = Search(archive.store).find(Wanted("car", {}, 0, 2**53 - 1, "newest", 20, None)).results
    assert [each.segment.sequence for each in found] == [5, 4, 3]


def test_more_than_a_camera_may_have_goes_the_oldest_first_and_no_more_than_that(archive: Archive) -> None:
    archive.record(4)
    archive.record(1, camera="yard")
    _, whole = archive.counted()
    archive.prune(packets_bytes_per_camera=whole - 1)
    assert archive.sequences() == list(range(3, 12))
    archive.prune(packets_bytes_per_camera=1)
    assert archive.sequences() == [9, 10, 11], "its last group may still grow"
    assert archive.sequences("yard") == [12, 13, 14]
    assert archive.counted() == archive.measured()


def test_what_is_not_derived_yet_stays(archive: Archive) -> None:
    archive.record(2)
    with archive.store.write() as session:
        session.get_one(PacketRow, archive.packet_id(1)).underived = 2
    archive.now_ms += DAY_MS
    archive.prune(packets_days=0.5)
    assert archive.sequences() == list(range(6))
    archive.desk.derive()
    archive.prune(packets_days=0.5)
    assert archive.sequences() == [3, 4, 5]


def test_a_device_that_never_refreshes_keeps_nothing_for_ever(archive: Archive) -> None:
    for number in range(4):
        sequence = number * 10_000
        made = archive.device.packet(CAPTIONS[0])
        archive.receive(replace(made, sequence=sequence))
    archive.now_ms += OPEN_MS + DAY_MS
    archive.receive(Packet(40_000, 50_000, 1_000, made.layers))
    archive.prune(packets_days=1)
    assert archive.sequences() == [40_000]


def test_what_was_stored_while_the_clock_was_wrong_keeps_nothing_else(archive: Archive) -> None:
    archive.record(1)
    archive.now_ms += 365 * DAY_MS
    archive.record(100)
    archive.now_ms -= 365 * DAY_MS
    archive.record(1)
    archive.now_ms += DAY_MS
    archive.record(1)
    archive.prune(packets_days=0.5)
    assert archive.sequences() == [*range(3, 303), 306, 307, 308]


@pytest.mark.parametrize("days", [None, 3])
def test_without_a_limit_that_is_reached_nothing_goes(archive: Archive, days: int | None) -> None:
    archive.record(2)
    archive.now_ms += DAY_MS
    gone = archive.prune() if days is None else archive.prune(packets_days=days)
    assert gone.count() == 0
    assert archive.sequences() == list(range(6))


def test_what_would_go_is_what_goes(archive: Archive) -> None:
    archive.record(3)
    archive.record(3, camera="yard")
    archive.render(0, 4, 9, 14)
    archive.now_ms += DAY_MS
    archive.record(1)
    limits = {"packets_days": 0.5, "packets_bytes_per_camera": 1, "clips_bytes_per_camera": 1}
    before = archive.sequences(), archive.sequences("yard"), archive.files()
    told = archive.forecast(**limits)
    assert (archive.sequences(), archive.sequences("yard"), archive.files()) == before
    assert told.count() > 0
    assert told == archive.prune(**limits)
    assert archive.forecast(**limits).count() == 0


def test_the_watermark_of_a_boot_outlives_its_packets(archive: Archive) -> None:
    archive.record(2)
    archive.now_ms += OPEN_MS + DAY_MS
    archive.device.boot += 1
    archive.device.sequence, archive.device.previous = 0, {}
    archive.desk.birth(archive.device)
    archive.record(1)
    archive.prune(packets_days=1)
    with archive.store.read() as session:
        assert session.query(PacketRow).where(PacketRow.boot_id == 1).count() == 0
        assert session.query(SegmentRow).count() == session.query(JobRow).count() + 3
    assert archive.desk.watermark(f"{1:016x}") == Watermark(5)
