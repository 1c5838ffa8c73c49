"""The spool when disk or file fail: it goes on, says so, and reports what is lost."""

import contextlib
import random
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from edge import spool_file
from edge.reserve import RESERVE_BYTES
from edge.spool import RETRY_S, Spool, SpoolError
from edge.spool_file import VERSION
from edge.spool_replacement import KEPT, replacement_of
from tests.edge.spooling import body_of, damaged_names, fill, stripped, waiting
from wire.documents import AckWatermark
from wire.gap import GapReason
from wire.packet import Packet

FORMER_SCHEMA = """
CREATE TABLE boots (id BLOB PRIMARY KEY, birth BLOB) WITHOUT ROWID;
CREATE TABLE packets (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    boot BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    camera TEXT NOT NULL,
    body BLOB NOT NULL,
    appended_s REAL NOT NULL,
    UNIQUE (boot, sequence)
);
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool.db"


def written(path: Path, count: int) -> bytes:
    """Leave a spool of one boot; gives its id."""
    with capture_logs():
        spool = Spool(path)
    spool.keep_birth(b"birth")
    fill(spool, range(count))
    spool.close()
    return spool.boot_id


class Disk:
    """Limits the pages of every database that is opened, as a full disk would."""

    def __init__(self) -> None:
        self.connections: list[sqlite3.Connection] = []

    def allow(self, pages: int) -> None:
        for connection in self.connections:
            connection.execute(f"PRAGMA max_page_count = {pages}")

    @property
    def pages(self) -> int:
        return int(self.connections[-1].execute("PRAGMA page_count").fetchone()[0])


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    made = Disk()
    connect: Callable[..., sqlite3.Connection] = sqlite3.connect

    def limited(*arguments: object, **options: object) -> sqlite3.Connection:
        connection = connect(*arguments, **options)
        made.connections.append(connection)
        return connection

    monkeypatch.setattr(sqlite3, "connect", limited)
    return made


def test_a_full_disk_makes_the_spool_smaller_for_as_long_as_it_lasts(path: Path, disk: Disk) -> None:
    now_s = 0.0
    spool = Spool(path, clock=lambda: now_s)
    fill(spool, range(800))
    disk.allow(disk.pages)
    with capture_logs() as logs:
        fill(spool, range(800, 1000))
    packets, lost = waiting(spool)
    assert spool.backlog().disk_full
    assert packets.keys() | lost.keys() == {(spool.boot_id, sequence) for sequence in range(1000)}
    assert (spool.boot_id, 999) in packets
    assert spool.backlog().dropped == len(lost) > 0
    assert [line["event"] for line in logs].count("spool cannot be written: is the disk full?") == 1
    disk.allow(1_000_000)
    now_s = RETRY_S + 1
    waited = spool.backlog().packets
    fill(spool, range(1000, 1200))
    assert not spool.backlog().disk_full
    assert spool.backlog().packets == waited + 200
    assert path.with_name("spool.db.reserve").stat().st_size == RESERVE_BYTES
    spool.close()


def test_what_cannot_be_written_at_all_is_given_up_with_the_next_that_can(path: Path, disk: Disk) -> None:
    now_s = 0.0
    spool = Spool(path, clock=lambda: now_s)
    fill(spool, range(3))
    disk.connections[-1].execute("PRAGMA query_only = 1")
    with capture_logs():
        fill(spool, (3, 4))
        assert spool.acknowledge(spool.boot_id, AckWatermark(0)) == 0
    assert (spool.backlog().packets, spool.backlog().dropped, spool.backlog().disk_full) == (3, 2, True)
    disk.connections[-1].execute("PRAGMA query_only = 0")
    now_s = RETRY_S + 1
    fill(spool, (5,))
    packets, lost = waiting(spool)
    assert [sequence for _, sequence in packets] == [0, 1, 2, 5]
    assert [sequence for _, sequence in lost] == [3, 4]
    spool.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = (
        shutil.which("mount")
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], capture_output=True, check=False
        ).returncode
    )
    if not mounted:
        pytest.skip("no right to mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill_up(path: Path) -> None:
    """Write until nothing more fits on the disk."""
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass


def test_a_disk_that_another_fills_costs_no_packet_its_name(small_disk: Path) -> None:
    now_s = 0.0
    spool = Spool(small_disk / "spool.db", clock=lambda: now_s)
    fill(spool, range(400))
    fill_up(small_disk / "others")
    with capture_logs():
        fill(spool, range(400, 1500))
    assert spool.backlog().disk_full
    (small_disk / "others").unlink()
    now_s = RETRY_S + 1
    with capture_logs():
        fill(spool, range(1500, 1600))
    packets, lost = waiting(spool)
    assert packets.keys() | lost.keys() == {(spool.boot_id, sequence) for sequence in range(1600)}
    assert len(packets) > 300
    assert not spool.backlog().disk_full
    spool.close()
    fill_up(small_disk / "others")
    with capture_logs():
        again = Spool(small_disk / "spool.db", clock=lambda: now_s)
        fill(again, range(50))
    later, lost_later = waiting(again)
    assert again.backlog().disk_full
    assert later.keys() | lost_later.keys() == packets.keys() | lost.keys() | {
        (again.boot_id, sequence) for sequence in range(50)
    }
    again.close()


def flip_bits(path: Path, chance: random.Random) -> None:
    data = bytearray(path.read_bytes())
    for _ in range(chance.choice((1, 3, 30))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


def cut_off(path: Path, chance: random.Random) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: chance.randrange(len(data))])


def overwrite_a_page(path: Path, chance: random.Random) -> None:
    data = bytearray(path.read_bytes())
    page = chance.randrange(len(data) // 4096)
    data[page * 4096 : (page + 1) * 4096] = chance.randbytes(4096)
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [flip_bits, cut_off, overwrite_a_page])
def test_a_damaged_file_loses_no_packet_in_silence_and_makes_none_up(
    tmp_path: Path, damage: Callable[[Path, random.Random], None]
) -> None:
    whole = tmp_path / "whole.db"
    boot = written(whole, 300)
    saved = 0
    for seed in range(25):
        path = tmp_path / f"{seed}.db"
        shutil.copy(whole, path)
        damage(path, random.Random(seed))
        with capture_logs() as logs:
            spool = Spool(path)
        packets, lost = waiting(spool)
        for (at, sequence), body in packets.items():
            assert (at, body) == (boot, body_of(sequence))
        assert not lost or set(lost.values()) == {GapReason.DAMAGED}
        named = {sequence for _, sequence in packets.keys() | lost.keys()}
        assert named == set(range(len(named))), "what lies before what is known is known"
        aside = bool(damaged_names(path))
        assert spool.backlog().set_aside == aside
        assert aside == ("spool is damaged: a new one is started" in [line["event"] for line in logs])
        assert aside or len(packets) == 300
        fill(spool, [0])
        saved += len(packets)
        spool.close()
    assert saved > 25 * 300 * (0.2 if damage is cut_off else 0.6)


def test_a_page_that_is_lost_costs_its_packets_and_no_others(path: Path) -> None:
    boot = written(path, 300)
    data = bytearray(path.read_bytes())
    at = data.index(body_of(150)) // 4096 * 4096
    data[at : at + 4096] = bytes(4096)
    path.write_bytes(data)
    with capture_logs():
        spool = Spool(path)
    packets, lost = waiting(spool)
    assert packets.keys() | lost.keys() == {(boot, sequence) for sequence in range(300)}
    assert 0 < len(lost) < 40
    assert spool.earlier_births() == [b"birth"]
    spool.close()


@pytest.mark.parametrize("table", [b"boots", b"packets", b"gaps"])
def test_a_schema_that_is_no_text_is_damage_like_any_other(path: Path, table: bytes) -> None:
    written(path, 5)
    data, noise = path.read_bytes(), bytes([0xCD]) * len(table)
    damaged = data.replace(b"table" + table, b"table" + noise).replace(b"TABLE " + table, b"TABLE(" + noise)
    path.write_bytes(damaged)
    with pytest.raises(sqlite3.DatabaseError):
        spool_file.look(path)
    with capture_logs():
        spool = Spool(path)
    assert spool.backlog().set_aside == 1
    fill(spool, range(3))
    spool.close()


def test_what_is_no_database_is_set_aside_and_kept(path: Path) -> None:
    letter = b"not a database at all" * 100
    path.write_bytes(letter)
    with capture_logs() as logs:
        spool = Spool(path)
    assert spool.backlog().set_aside == 1
    fill(spool, range(3))
    assert len(waiting(spool)[0]) == 3
    (name,) = damaged_names(path)
    assert (path.parent / name).read_bytes() == letter
    assert logs[-1]["reason"] == "file is not a database"
    spool.close()


def test_only_the_newest_damaged_files_are_kept(path: Path) -> None:
    for number in range(KEPT + 2):
        path.write_bytes(b"letter %d" % number * 100)
        with capture_logs():
            Spool(path).close()
    assert len(damaged_names(path)) == KEPT


def test_a_file_of_a_later_version_is_set_aside_and_its_packets_are_saved(path: Path) -> None:
    boot = written(path, 4)
    with sqlite3.connect(path) as database:
        database.execute(f"PRAGMA user_version = {VERSION + 1}")
    database.close()
    with capture_logs() as logs:
        spool = Spool(path)
    assert logs[-1]["reason"] == f"schema version is {VERSION + 1}, this program knows {VERSION}"
    assert waiting(spool) == ({(boot, sequence): body_of(sequence) for sequence in range(4)}, {})
    spool.close()


def test_damage_while_it_runs_is_repaired_while_it_runs(path: Path) -> None:
    spool = Spool(path)
    fill(spool, range(300))
    before = spool.pending(1)[0].position
    with sqlite3.connect(path) as other:
        other.execute("UPDATE packets SET body = x'00' WHERE sequence = 7")
    other.close()
    with capture_logs() as logs:
        found = spool.pending(1000)
    assert "spool is damaged: a new one is started" in [line["event"] for line in logs]
    assert [item.sequence for item in found if Packet.parse(item.body).duration_ms == 0] == [7]
    fill(spool, range(300, 310))
    packets, lost = waiting(spool)
    assert packets.keys() | lost.keys() == {(spool.boot_id, sequence) for sequence in range(310)}
    assert list(lost) == [(spool.boot_id, 7)]
    assert spool.pending(1)[0].position == before
    spool.close()


@pytest.mark.parametrize("moved", [False, True])
def test_a_kill_while_a_file_is_replaced_is_finished_at_the_next_start(path: Path, *, moved: bool) -> None:
    boot = written(path, 5)
    path.rename(replacement_of(path))
    if not moved:
        path.with_name("spool.db-wal").write_bytes(b"of the file that was moved already")
    spool = Spool(path)
    assert waiting(spool)[0].keys() == {(boot, sequence) for sequence in range(5)}
    spool.close()


def test_a_replacement_that_was_not_finished_is_not_used(path: Path) -> None:
    boot = written(path, 5)
    replacement_of(path).write_bytes(b"")
    spool = Spool(path)
    assert waiting(spool)[0].keys() == {(boot, sequence) for sequence in range(5)}
    spool.close()


def test_a_file_of_the_former_version_is_brought_up_to_date(path: Path) -> None:
    boot = bytes(range(8))
    with sqlite3.connect(path) as database:
        database.executescript(FORMER_SCHEMA)
        database.execute("INSERT INTO boots VALUES (?, ?)", (boot, b"birth"))
        row = "INSERT INTO packets (boot, sequence, camera, body, appended_s) VALUES (?, ?, 'door', ?, ?)"
        for sequence in range(50):
            database.execute(row, (boot, sequence, body_of(sequence), 1e9))
    database.close()
    spool = Spool(path, clock=lambda: 5.0)
    packets, lost = waiting(spool)
    assert packets == {(boot, sequence): body_of(sequence) for sequence in range(50)}
    assert (lost, spool.backlog().set_aside, spool.earlier_births()) == ({}, 0, [b"birth"])
    fill(spool, range(3))
    spool.close()
    again = Spool(path, max_bytes=4000)
    with capture_logs():
        fill(again, [0])
    assert again.backlog().shed_details > 0
    assert stripped(body_of(49)) in [Packet.parse(body) for body in waiting(again)[0].values()]
    again.close()


def test_a_closed_spool_says_so(path: Path) -> None:
    spool = Spool(path)
    spool.close()
    with pytest.raises(SpoolError, match="closed"):
        spool.append(0, "door", body_of(0))


def test_what_is_given_up_while_the_disk_is_full_is_written_with_the_next_that_can(
    path: Path, disk: Disk
) -> None:
    now_s = 0.0
    spool = Spool(path, clock=lambda: now_s)
    fill(spool, range(2))
    first = spool.pending(1)[0].position
    disk.connections[-1].execute("PRAGMA query_only = 1")
    with capture_logs():
        spool.give_up(2, 3, "door", 4000, GapReason.OVERLOADED)
        spool.give_up(4, 4, "door", 8000, GapReason.OVERLOADED)
        spool.give_up_unreadable(first)
    disk.connections[-1].execute("PRAGMA query_only = 0")
    now_s = RETRY_S + 1
    fill(spool, (5,))
    packets, lost = waiting(spool)
    assert [sequence for _, sequence in packets] == [0, 1, 5]
    assert {sequence: reason for (_, sequence), reason in lost.items()} == dict.fromkeys((2, 3, 4), 5)
    spool.close()


def test_what_was_given_up_before_the_file_broke_is_listed_as_it_was(path: Path) -> None:
    spool = Spool(path)
    fill(spool, range(40))
    spool.give_up(40, 41, "door", 0, GapReason.OVERLOADED)
    with sqlite3.connect(path) as other:
        other.execute("UPDATE packets SET body = x'00' WHERE sequence = 7")
    other.close()
    with capture_logs():
        spool.pending(1000)
    spool.give_up(42, 42, "door", 0, GapReason.OVERLOADED)
    packets, lost = waiting(spool)
    assert packets.keys() | lost.keys() == {(spool.boot_id, sequence) for sequence in range(43)}
    reasons = {sequence: reason for (_, sequence), reason in lost.items()}
    assert reasons == {7: GapReason.DAMAGED} | dict.fromkeys((40, 41, 42), GapReason.OVERLOADED)
    assert spool.backlog().set_aside == 1
    spool.close()
