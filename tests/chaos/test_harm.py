"""What is done to processes and their files: clocks, disks, spools."""

import random
import subprocess
import sys
from pathlib import Path

from structlog.testing import capture_logs

from edge.spool import Spool
from mirage.bench.chaos.control import Control
from mirage.bench.chaos.damage import overwrite, waiting_in
from mirage.bench.chaos.packets import digest, make_packet
from tests.edge.spooling import fill
from wire.packet import Layer, Packet


def test_a_clock_is_set_from_another_process(tmp_path: Path) -> None:
    control = Control(tmp_path / "control")
    code = (
        "import sys, time; from pathlib import Path; from mirage.bench.chaos.control import Control\n"
        "before = time.time(); Control(Path(sys.argv[1])).shift_wall_clock()\n"
        "print(round((time.time() - before) / 3600), round(time.time_ns() / 1e9 - time.time()))"
    )
    control.wall_offset_ms = -7_200_000
    command = [sys.executable, "-c", code, str(tmp_path / "control")]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["-2", "0"]


def test_outcomes_are_counted_over_several_lives(tmp_path: Path) -> None:
    for _ in range(2):
        control = Control(tmp_path / "control")
        control.count("stored")
        control.count("of a later version")
        control.close()
    control = Control(tmp_path / "control")
    assert (control.counts()["stored"], control.counts()["other"], control.disk_full) == (2, 2, False)


def test_what_waits_in_a_file_is_read_without_touching_it(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    spool = Spool(path, 20_000)
    with capture_logs():
        fill(spool, range(200))
    before = {each.name: each.read_bytes() for each in tmp_path.iterdir() if not each.name.endswith("-shm")}
    boot = spool.boot_id.hex()
    assert waiting_in(path) == {(boot, sequence) for sequence in range(200)}, "packets, and what was given up"
    after = {each.name: each.read_bytes() for each in tmp_path.iterdir() if not each.name.endswith("-shm")}
    assert before == after
    spool.close()


def test_a_spool_that_is_not_there_holds_nothing_and_cannot_be_damaged(tmp_path: Path) -> None:
    assert waiting_in(tmp_path / "spool.db") == frozenset()
    assert not overwrite(tmp_path / "spool.db", 10, random.Random(0))


def test_damage_changes_as_many_bytes_as_it_says_and_no_length(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    for size in (1, 500, 10_000):
        path.write_bytes(bytes(5000))
        assert overwrite(path, size, random.Random(3))
        data = path.read_bytes()
        assert len(data) == 5000
        assert 0 < sum(map(bool, data)) <= size


def test_packets_are_readable_and_unlike_each_other() -> None:
    chance = random.Random(0)
    bodies = [make_packet(chance, each, each * 80, refresh=each % 6 == 0) for each in range(200)]
    packets = list(map(Packet.parse, bodies))
    assert [packet.sequence for packet in packets] == list(range(200))
    assert len(set(map(digest, bodies))) == 200
    assert 40 < sum(Layer.APPEARANCE_DETAIL in packet.layers for packet in packets) < 120
