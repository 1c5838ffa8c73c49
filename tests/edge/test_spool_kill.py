"""A process that is killed while it appends, sheds and frees: what it reported is there, or given up."""

import os
import random
import signal
import subprocess
import sys
from itertools import count
from pathlib import Path

import structlog

from edge.spool import Spool
from tests.edge.spooling import body_of, stripped, waiting
from wire.documents import AckWatermark
from wire.packet import Packet

ROOT = Path(__file__).parents[2]
ROUNDS = 12
MAX_BYTES = 30_000
ACK_EVERY, ACK_BEHIND = 40, 90


def append_until_killed(path: Path) -> None:
    """Work at full speed; each line says what is on disk by then, or is about to be freed."""
    structlog.configure(processors=[], wrapper_class=structlog.make_filtering_bound_logger(50))
    spool = Spool(path, MAX_BYTES)
    say = os.fdopen(1, "w", buffering=1).write
    say(f"boot {spool.boot_id.hex()}\n")
    for sequence in count():
        spool.append(sequence, "door", body_of(sequence))
        say(f"appended {sequence}\n")
        if sequence % ACK_EVERY == 0 and sequence > ACK_BEHIND:
            say(f"freeing {sequence - ACK_BEHIND}\n")
            spool.acknowledge(spool.boot_id, AckWatermark(sequence - ACK_BEHIND))
            say(f"freed {sequence - ACK_BEHIND}\n")


def lines_of_a_killed_child(path: Path, lines: int) -> list[list[str]]:
    command = [sys.executable, "-m", "tests.edge.test_spool_kill", str(path)]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    first = "".join(child.stdout.readline() for _ in range(lines))
    child.send_signal(signal.SIGKILL)
    rest = child.stdout.read()
    child.stdout.close()
    assert child.wait() == -signal.SIGKILL
    whole = (first + rest).rpartition("\n")[0]
    return [line.split() for line in whole.splitlines()]


def test_what_a_killed_process_reported_is_there_or_given_up(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    chance = random.Random(5)
    last: dict[bytes, dict[str, int]] = {}
    ever_lost = set[tuple[bytes, int]]()
    for _ in range(ROUNDS):
        lines = lines_of_a_killed_child(path, chance.randint(1, 300))
        told = last[bytes.fromhex(lines[0][1])] = {"appended": -1, "freeing": -1, "freed": -1}
        told |= {word: int(number) for word, number in lines[1:]}
        spool = Spool(path, MAX_BYTES)
        packets, lost = waiting(spool)
        assert spool.backlog().used_bytes <= MAX_BYTES
        assert spool.backlog().set_aside == 0
        for boot, numbers in last.items():
            known = {sequence for at, sequence in packets.keys() | lost.keys() if at == boot}
            reported = set(range(numbers["freeing"] + 1, numbers["appended"] + 1))
            assert reported <= known, "what was appended is not lost"
            assert known <= set(range(numbers["freed"] + 1, numbers["appended"] + 2)), "nothing is made up"
        for (_, sequence), body in packets.items():
            assert Packet.parse(body) in (Packet.parse(body_of(sequence)), stripped(body_of(sequence)))
        spool.close()
        ever_lost |= lost.keys()
    assert len(ever_lost) > 100, "the spool was never full"


if __name__ == "__main__":
    append_until_killed(Path(sys.argv[1]))
