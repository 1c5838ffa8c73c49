"""The spool: nothing that was appended is lost, except what is counted as dropped."""

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from edge.spool import Spool, SpoolError
from tests.edge.spooling import body_of, fill, waiting
from wire import gap
from wire.documents import AckWatermark
from wire.gap import Gap, GapReason
from wire.packet import Layer, Packet


def sequences(spool: Spool) -> list[int]:
    return [item.sequence for item in spool.pending(10_000)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "spool.db"


def filled(path: Path, count: int) -> Spool:
    spool = Spool(path)
    for sequence in range(count):
        spool.append(sequence, "door", b"packet %d" % sequence)
    return spool


def test_packets_come_out_in_the_order_in_which_they_went_in(path: Path) -> None:
    spool = filled(path, 3)
    assert [(item.sequence, item.camera, item.body) for item in spool.pending(2)] == [
        (0, "door", b"packet 0"),
        (1, "door", b"packet 1"),
    ]
    spool.close()


def test_pending_goes_on_after_a_position(path: Path) -> None:
    spool = filled(path, 5)
    first = spool.pending(2)
    assert [item.sequence for item in spool.pending(10, after=first[-1].position)] == [2, 3, 4]
    spool.close()


def test_an_acknowledged_packet_is_freed_and_a_hole_is_kept(path: Path) -> None:
    spool = filled(path, 10)
    assert spool.acknowledge(spool.boot_id, AckWatermark(7, holes=((2, 3), (5, 5)))) == 5
    assert sequences(spool) == [2, 3, 5, 8, 9]
    assert spool.backlog().packets == 5
    spool.close()


def test_an_acknowledgement_of_another_boot_frees_nothing(path: Path) -> None:
    spool = filled(path, 3)
    assert spool.acknowledge(bytes(8), AckWatermark(9)) == 0
    assert sequences(spool) == [0, 1, 2]
    spool.close()


@settings(max_examples=30, deadline=None)
@given(st.sets(st.integers(0, 30)))
def test_exactly_what_the_watermark_covers_is_freed(lost: set[int]) -> None:
    holes = tuple((sequence, sequence) for sequence in sorted(lost))
    watermark = AckWatermark(31, holes)
    spool = filled(Path(":memory:"), 40)
    spool.acknowledge(spool.boot_id, watermark)
    assert sequences(spool) == [sequence for sequence in range(40) if not watermark.covers(sequence)]
    spool.close()


def test_what_a_process_left_is_there_for_the_next_with_its_boot_id(path: Path) -> None:
    before = filled(path, 2)
    before.keep_birth(b"birth of the first")
    before.close()
    spool = Spool(path)
    spool.append(0, "door", b"again")
    assert spool.boot_id != before.boot_id
    assert [item.boot_id for item in spool.pending(9)] == [before.boot_id, before.boot_id, spool.boot_id]
    assert spool.earlier_births() == [b"birth of the first"]
    assert spool.backlog().packets == 3
    spool.close()


def test_a_birth_is_forgotten_when_its_packets_have_arrived(path: Path) -> None:
    before = filled(path, 2)
    before.keep_birth(b"birth")
    before.close()
    spool = Spool(path)
    spool.acknowledge(before.boot_id, AckWatermark(1))
    assert spool.earlier_births() == []
    spool.close()


def test_a_killed_process_loses_nothing_that_was_appended(path: Path) -> None:
    lost = filled(path, 4)  # not closed, as if it had been killed
    spool = Spool(path)
    assert sequences(spool) == [0, 1, 2, 3]
    spool.close()
    lost.close()


def test_a_full_spool_drops_the_oldest_and_counts_them(path: Path) -> None:
    spool = Spool(path, max_bytes=100_000)
    with capture_logs() as logs:
        for sequence in range(30):
            layers = {int(Layer.CAPTION): bytes(5000)}
            spool.append(sequence, "door", bytes(Packet(sequence, 0, 0, layers, refresh=True)))
    backlog = spool.backlog()
    assert backlog.packets + backlog.dropped == 30
    assert backlog.body_bytes <= 100_000
    packets, lost = waiting(spool)
    assert [sequence for _, sequence in packets] == list(range(backlog.dropped, 30))
    assert [sequence for _, sequence in lost] == list(range(backlog.dropped))
    assert logs[0]["event"] == "spool is full: oldest packets dropped"
    spool.close()


def test_one_packet_is_kept_however_small_the_spool(path: Path) -> None:
    spool = Spool(path, max_bytes=10)
    spool.append(0, "door", bytes(5000))
    assert sequences(spool) == [0]
    spool.close()


def test_a_sequence_cannot_be_appended_twice(path: Path) -> None:
    spool = filled(path, 1)
    with pytest.raises(SpoolError, match=r"spool\.db: UNIQUE"):
        spool.append(0, "door", b"again")
    assert spool.backlog().packets == 1
    spool.close()


def test_a_folder_in_its_place_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "spool.db").mkdir()
    with pytest.raises(SpoolError, match=r"spool\.db: unable to open database file"):
        Spool(tmp_path / "spool.db")


def test_a_folder_that_cannot_be_made_is_an_error_that_names_the_spool(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SpoolError, match=r"file/spool\.db"):
        Spool(tmp_path / "file" / "spool.db")


def test_every_append_is_synchronised_to_disk(path: Path) -> None:
    spool = filled(path, 1)
    spool.close()
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    database.close()


def test_the_file_does_not_outgrow_its_bound_by_what_shed_detail_leaves_empty(path: Path) -> None:
    spool = Spool(path, max_bytes=100_000)
    with capture_logs():
        for sequence in range(800):
            spool.append(sequence, "door", body_of(sequence, detail_bytes=300))
    assert spool.backlog().shed_details > 300
    assert len(waiting(spool)[0]) > 300
    spool.close()
    assert 100_000 < path.stat().st_size < 1.1 * (100_000 * 5 // 4 + 65536)


def test_detail_goes_before_any_packet_does_and_the_oldest_first(path: Path) -> None:
    spool = Spool(path, max_bytes=16_000)
    for sequence in range(100):
        spool.append(sequence, "door", body_of(sequence))
    packets, lost = waiting(spool)
    poor = [body != body_of(sequence) for (_, sequence), body in packets.items()]
    assert (len(packets), lost) == (100, {})
    assert poor == [True] * spool.backlog().shed_details + [False] * (100 - spool.backlog().shed_details)
    assert 0 < spool.backlog().shed_details < 100
    assert spool.backlog().shed_bytes == 100 * len(body_of(99)) - sum(
        len(body) + len(body_of(99)) - len(body_of(sequence)) for (_, sequence), body in packets.items()
    )
    spool.close()


def test_a_scene_goes_as_a_whole_and_that_of_another_camera_stays(path: Path) -> None:
    spool = Spool(path, max_bytes=20 * 150)
    with capture_logs():
        for sequence in range(40):
            camera = ("door", "yard")[sequence % 2]
            body = body_of(sequence, detail_bytes=0, scene=10 if camera == "door" else 1)
            spool.append(sequence, camera, body)
    packets, lost = waiting(spool)
    kept = [sequence for _, sequence in packets]
    first_of_door = next(sequence for sequence in kept if sequence % 2 == 0)
    assert first_of_door % 10 == 0, "what is left of a camera begins with a refresh"
    assert sorted(kept + [sequence for _, sequence in lost]) == list(range(40))
    spool.close()


def test_a_gap_record_says_what_is_gone_since_when_and_why(path: Path) -> None:
    now_s = 0.0
    spool = Spool(path, max_age_s=100, clock=lambda: now_s)
    fill(spool, range(5, 15))
    now_s = 101.0
    fill(spool, [15])
    (record, newest) = spool.pending(9)
    packet = Packet.parse(record.body)
    assert gap.decode(packet.layers[Layer.GAP]) == Gap(5, 14, GapReason.EXPIRED)
    assert (packet.sequence, packet.captured_ms, packet.duration_ms) == (5, 10_000, 0)
    assert (record.camera, newest.sequence) == ("door", 15)
    spool.close()


def test_a_gap_of_which_a_part_is_acknowledged_waits_on_for_the_rest(path: Path) -> None:
    now_s = 0.0
    spool = Spool(path, max_age_s=100, clock=lambda: now_s)
    fill(spool, range(10))
    now_s = 101.0
    fill(spool, [10])
    offered = spool.pending(9)[-1].position
    assert spool.acknowledge(spool.boot_id, AckWatermark(6, ((2, 3),))) == 1
    again = spool.pending(9, after=offered)
    assert [gap.decode(Packet.parse(item.body).layers[Layer.GAP]) for item in again] == [
        Gap(2, 3, GapReason.EXPIRED),
        Gap(7, 9, GapReason.EXPIRED),
    ]
    assert spool.acknowledge(spool.boot_id, AckWatermark(10)) == 3
    assert spool.backlog().waiting == 0
    spool.close()


def test_a_boot_of_which_only_a_gap_waits_keeps_its_birth(path: Path) -> None:
    now_s = 0.0
    before = Spool(path, max_age_s=100, clock=lambda: now_s)
    before.keep_birth(b"birth of the first")
    fill(before, range(3))
    before.close()
    spool = Spool(path, max_age_s=100, clock=lambda: now_s)
    now_s = 101.0
    fill(spool, [0])
    assert [item.boot_id for item in spool.pending(9)] == [before.boot_id, spool.boot_id]
    assert spool.earlier_births() == [b"birth of the first"]
    spool.close()
    again = Spool(path)
    assert again.earlier_births() == [b"birth of the first"]
    again.close()


def test_a_clock_that_jumps_between_two_starts_throws_nothing_away(path: Path) -> None:
    before = Spool(path, max_age_s=100, clock=lambda: 5.0)
    fill(before, range(3))
    before.close()
    spool = Spool(path, max_age_s=100, clock=lambda: 1e9)
    fill(spool, [0])
    assert spool.backlog().packets == 4
    spool.close()


def test_sequences_that_are_given_up_without_a_packet_are_listed(spool: Spool) -> None:
    spool.give_up(0, 2, "door", 500, GapReason.OVERLOADED)
    fill(spool, [3])
    spool.give_up(4, 4, "yard", 900, GapReason.OVERLOADED)
    packets, lost = waiting(spool)
    assert sorted(sequence for _, sequence in packets) == [3]
    assert {sequence: reason for (_, sequence), reason in lost.items()} == dict.fromkeys((0, 1, 2, 4), 5)
    first, _, last = spool.pending(9)
    assert (first.camera, Packet.parse(first.body).captured_ms) == ("door", 500)
    assert (last.camera, Packet.parse(last.body).captured_ms) == ("yard", 900)


def test_a_packet_that_nobody_can_read_leaves_a_gap_record(spool: Spool) -> None:
    fill(spool, range(3))
    _, refused, _ = spool.pending(3)
    for _ in range(2):  # the second time it is not there any more
        spool.give_up_unreadable(refused.position)
    packets, lost = waiting(spool)
    assert sorted(sequence for _, sequence in packets) == [0, 2]
    assert lost == {(spool.boot_id, 1): GapReason.DAMAGED}
    assert spool.backlog().dropped == 1


def test_what_waits_can_be_counted_and_dated(tmp_path: Path) -> None:
    now_s = [50.0]
    spool = Spool(tmp_path / "spool.db", clock=lambda: now_s[0])
    assert (spool.oldest_s(), spool.settled(10.0), spool.waiting_through(99)) == (0.0, 0, 0)
    fill(spool, [0, 1])
    now_s[0] += 12
    fill(spool, [2])
    spool.give_up(3, 3, "door", 0, GapReason.OVERLOADED)
    positions = [item.position for item in spool.pending(9)]
    assert spool.oldest_s() == 12
    assert spool.settled(10.0) == positions[1]
    assert [spool.waiting_through(position) for position in (0, *positions)] == [0, 1, 2, 3, 4]
    spool.close()


def test_nobody_else_may_read_what_waits_unsealed(path: Path) -> None:
    path.parent.mkdir()
    path.touch(mode=0o644)  # as a former version made it
    spool = filled(path, 3)
    modes = {each.name: each.stat().st_mode & 0o077 for each in path.parent.glob("spool.db*")}
    assert {name: mode for name, mode in modes.items() if not name.endswith("reserve")} == {
        "spool.db": 0,
        "spool.db-shm": 0,
        "spool.db-wal": 0,
    }
    spool.close()
