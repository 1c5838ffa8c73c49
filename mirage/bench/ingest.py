"""`mirage bench ingest`: packets a second from broker to committed rows, beside one that only counts.

broker <-- a backlog of sealed packets, while those who take it are stopped (SIGSTOP)
   |--> one paho subscriber, QoS 1, same window: counts
   '--> 1, 2, 4 x `mirage cloud ingest`, shared subscription, one store: opens, parses, commits, acknowledges
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from sqlalchemy import func, select

from cloud.schema import BootRow, KeyRow, PacketRow, QuarantineRow, SegmentRow
from cloud.store import Store
from mirage.bench.ingest_load import Load, any_broker, cloud_settings, publish_all
from mirage.bench.report import Gate, Report
from mirage.bundles import bundle_folder
from mirage.demo.child import ROOT, Child, wait_until
from mirage.errors import DemoError
from wire.bundle import Bundle

TURNS = 3
PROCESSES = (2, 4)
_TIMEOUT_S = 300.0
_SETTLE_S = 1.0
_DERIVED = 2_000  # packets after which the rate of deriving is known


def run(packets: int, devices: int, bundle_path: Path | None = None, folder: Path | None = None) -> Report:
    """Measure; the stores are below `folder`, whose disk counts. Raises DemoError, BundleError."""
    load = Load(Bundle.load(bundle_folder(bundle_path)), devices, -(-packets // devices))
    with tempfile.TemporaryDirectory(prefix="mirage-ingest-", dir=folder) as work:
        results: dict[str, object] = {
            "packets": load.packets,
            "devices": devices,
            "frame_bytes": load.frame_bytes,
            "commit_ms": _commit_ms(Path(work)),
        }
        bare, one = list[dict[str, float]](), list[dict[str, float]]()
        for turn in range(TURNS):  # in turn, because a machine is not always as quick
            broker, counted = _bare(load, _folder(Path(work), f"bare-{turn}"))
            bare.append(counted)
            one.append(ingest_rate(load, 1, _folder(Path(work), f"ingest-{turn}")))
        results |= {"broker": broker, "bare_paho": bare, "processes_1": one}
        for count in PROCESSES:
            results[f"processes_{count}"] = ingest_rate(
                load, count, _folder(Path(work), f"ingest-of-{count}")
            )
    value = max(each["stored_per_s"] for each in one) / max(each["counted_per_s"] for each in bare)
    share = Gate.at_least("one_process", value, "of a bare paho subscriber's rate", 0.5)
    return Report("ingest", (share,), results)


def _folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    return folder


def _bare(load: Load, folder: Path) -> tuple[str, dict[str, float]]:
    """Give the broker's name, and the messages that paho alone counts a second."""
    with any_broker(folder) as (name, port):
        command = [sys.executable, "-m", "mirage.bench.ingest_bare", str(port), str(load.packets)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as child:  # noqa: S603 -- ours
            if child.stdout is None or child.stdout.readline() != "ready\n":
                raise DemoError("the subscriber that only counts does not start")
            begun_s, cpu_s = _released([child.pid], port, load), spent_cpu_s([child.pid])
            ended_s = float(child.stdout.readline())
            cpu_s = spent_cpu_s([child.pid]) - cpu_s
            child.kill()
    rate = load.packets / (ended_s - begun_s)
    return name, {"counted_per_s": rate, "cpu_us_per_packet": 1e6 * cpu_s / load.packets}


def ingest_rate(load: Load, processes: int, folder: Path, url: str | None = None) -> dict[str, float]:
    """Give what so many processes do a second; into SQLite in `folder`, or the empty database at `url`."""
    url = url or f"sqlite:///{folder.resolve()}/store.db"
    store = Store(url)
    load.enrol(store)
    load.write_key(folder / "cloud.key")
    with ExitStack() as stack:
        stack.callback(store.close)
        _, port = stack.enter_context(any_broker(folder))
        publish_all(port, load.births())
        children = [_child(load, port, number, folder, url) for number in range(processes)]
        for child in children:
            stack.callback(child.stop)
        wait_until(lambda: _count(store, KeyRow) == len(load.senders), _TIMEOUT_S, "the births", *children)
        time.sleep(_SETTLE_S)
        pids = [child.pid for child in children]
        begun_s, cpu_s = _released(pids, port, load), spent_cpu_s(pids)
        _until_stored(store, load, children)
        spent_s, cpu_s = time.time() - begun_s, spent_cpu_s(pids) - cpu_s
        measured = {"stored_per_s": load.packets / spent_s, "cpu_us_per_packet": 1e6 * cpu_s / load.packets}
        return measured | _deriving(store, load, children)


def _child(load: Load, port: int, number: int, folder: Path, url: str) -> Child:
    config = cloud_settings(load, port, f"ingest-{number}", folder, url)
    return Child(f"ingest-{number}", ["cloud", "ingest", "--config", str(config)], folder)


def _released(pids: Sequence[int], port: int, load: Load) -> float:
    """Fill the broker while nobody takes anything from it, then let all go; give the time of that."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        publish_all(port, load.publishes)
        time.sleep(_SETTLE_S)
    finally:
        begun_s = time.time()
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    return begun_s


def _until_stored(store: Store, load: Load, children: Sequence[Child]) -> None:
    end_s = time.monotonic() + _TIMEOUT_S
    query = select(func.sum(BootRow.highest + 1), func.sum(func.length(BootRow.holes)))
    while True:
        with store.read() as session:
            stored, holes = session.execute(query).one()
        if stored == load.packets and holes == 2 * len(load.senders):
            return
        if time.monotonic() > end_s or any(child.ended() for child in children):
            raise DemoError(f"{stored} of {load.packets} packets were stored in {_TIMEOUT_S:g} s")
        time.sleep(0.02)


def _deriving(store: Store, load: Load, children: Sequence[Child]) -> dict[str, float]:
    """Give how many segments were derived while packets came, and how many are a second after that."""
    before, begun_s = _count(store, SegmentRow), time.monotonic()
    enough = min(load.packets, before + _DERIVED)
    wait_until(lambda: _count(store, SegmentRow) >= enough, _TIMEOUT_S, "the segments", *children)
    after, spent_s = _count(store, SegmentRow), time.monotonic() - begun_s
    if _count(store, PacketRow) != load.packets:
        raise DemoError("packets were stored twice")
    return {"derived_meanwhile": before, "derived_per_s": (after - before) / spent_s}


def spent_cpu_s(pids: Sequence[int]) -> float:
    """Give the processor time that these processes have used, theirs and the kernel's for them."""
    spent = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        spent += int(fields[11]) + int(fields[12])
    return spent / os.sysconf("SC_CLK_TCK")


def _count(store: Store, table: type[KeyRow | PacketRow | SegmentRow]) -> int:
    with store.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def _commit_ms(folder: Path) -> float:
    """Give how long a transaction of one row takes, most of it the disk's."""
    store = Store(f"sqlite:///{folder}/commits.db")
    begun_s = time.perf_counter()
    for number in range(100):
        with store.write() as session:
            session.add(QuarantineRow(topic="", frame=b"", reason="", received_ms=number))
    spent_s = time.perf_counter() - begun_s
    store.close()
    return spent_s * 10
