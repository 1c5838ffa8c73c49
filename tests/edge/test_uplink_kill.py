"""A sealed device that is killed between any two instructions: nothing is lost, and no nonce comes twice."""

import os
import random
import signal
import subprocess
import sys
import threading
from itertools import count
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from edge.address import Address
from edge.allowance import Limits
from edge.budget import Budget
from edge.commands import Commands
from edge.keys import Keys
from edge.session import SealedSession
from edge.spool import Spool
from edge.uplink import Parts, Uplink
from mirage.demo.broker import LoopbackBroker
from tests.edge.cloud import TOPICS, Cloud, wait_for
from tests.edge.sealing import Secrets, write_private
from tests.edge.test_uplink import birth_of, packet

ROOT = Path(__file__).parents[2]
ROUNDS = 6


def send_until_killed(folder: Path, port: int) -> None:
    """Append and send at full speed; each line says what is on disk by then."""
    structlog.configure(processors=[], wrapper_class=structlog.make_filtering_bound_logger(50))
    device, cloud = (load_pem_private_key((folder / name).read_bytes(), None) for name in ("device", "cloud"))
    secrets = Secrets(device, cloud)  # type: ignore[arg-type]
    spool = Spool(folder / "spool.db")
    own = Keys(secrets.device, secrets.cloud.public_key())
    session = SealedSession(own, TOPICS, spool.boot_id, os.urandom, lifetime_frames=40)
    parts = Parts(session, Budget(Limits()), Commands({}))
    uplink = Uplink(Address("127.0.0.1", port), TOPICS, spool, birth_of(spool, "door"), parts)
    threading.Thread(target=uplink.run, args=(threading.Event(), 0.0), daemon=True, name="uplink").start()
    say = os.fdopen(1, "w", buffering=1).write
    say(f"boot {spool.boot_id.hex()}\n")
    for sequence in count():
        spool.append(sequence, "door", packet(sequence))
        say(f"appended {sequence}\n")


def lines_of_a_killed_child(folder: Path, port: int, lines: int) -> list[list[str]]:
    command = [sys.executable, "-m", "tests.edge.test_uplink_kill", str(folder), str(port)]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    first = "".join(child.stdout.readline() for _ in range(lines))
    child.send_signal(signal.SIGKILL)
    rest = child.stdout.read()
    child.stdout.close()
    assert child.wait() == -signal.SIGKILL
    whole = (first + rest).rpartition("\n")[0]
    return [line.split() for line in whole.splitlines()]


def test_a_killed_device_loses_nothing_and_seals_nothing_twice_alike(
    tmp_path: Path, broker: LoopbackBroker, secrets: Secrets
) -> None:
    write_private(tmp_path / "device", secrets.device)
    write_private(tmp_path / "cloud", secrets.cloud)
    cloud = Cloud(broker.port, secrets=secrets)
    chance, appended = random.Random(7), dict[str, int]()
    for _ in range(ROUNDS):
        lines = lines_of_a_killed_child(tmp_path, broker.port, chance.randint(2, 400))
        appended[lines[0][1]] = int(lines[-1][1]) if len(lines) > 1 else -1
    spool = Spool(tmp_path / "spool.db")
    session = SealedSession(secrets.keys, TOPICS, spool.boot_id, os.urandom)
    parts = Parts(session, Budget(Limits()), Commands({}))
    uplink, finish = (
        Uplink(Address("127.0.0.1", broker.port), TOPICS, spool, birth_of(spool, "door"), parts),
        threading.Event(),
    )
    thread = threading.Thread(target=uplink.run, args=(finish, 10.0), name="uplink")
    thread.start()
    wait_for(lambda: spool.backlog().waiting == 0, 240)  # a child gets far before it is killed
    finish.set()
    thread.join(60)
    for boot, last in appended.items():
        known = cloud.sequences(boot)
        assert known[: last + 1] == list(range(last + 1)), "what was appended arrives"
        assert known == list(range(len(known)))
        assert len(known) <= last + 2, "nothing is made up"
    assert len(cloud.nonces) == len(set(cloud.nonces))
    spool.close()
    cloud.close()


if __name__ == "__main__":
    send_until_killed(Path(sys.argv[1]), int(sys.argv[2]))
