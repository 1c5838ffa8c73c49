"""What a packet costs each database: bytes on disk, time of a commit, processes that store and derive, jobs.

Databases are filled as ingest and derivation fill them, twice with as many packets: the difference is
without what an empty one takes.
"""

import itertools
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import make_url, text

from cloud.store import Store
from mirage.bench.cloud.postgres import NoPostgresError, Postgres, postgres
from mirage.bench.cloud.queue import commit_ms, drain
from mirage.bench.cloud.stock import Fleet
from mirage.bench.ingest import ingest_rate
from mirage.bench.ingest_load import Load
from mirage.bench.plan.figures import Figures, measured
from mirage.recordings import Opened

WORKERS = 4


@dataclass(frozen=True, slots=True)
class _Database:
    """One kind of database: how an empty one is made, and how many bytes one has on disk."""

    name: str
    create: Callable[[], str]
    size: Callable[[str], int]


def measure(load: Load, opened: Opened, here: str, done: Callable[[], None]) -> Figures:
    """Measure SQLite, and PostgreSQL where that is installed; `done` is called after each of four steps."""
    with tempfile.TemporaryDirectory(prefix="mirage-plan-") as name, ExitStack() as stack:
        numbers = itertools.count()
        folder = Path(name)
        sqlite = _Database("sqlite", lambda: f"sqlite:///{folder}/{next(numbers)}.db", _file_bytes)
        found = dict(_measure(sqlite, load, opened, folder, here, done))
        try:
            server = stack.enter_context(postgres(durable=True))
        except NoPostgresError:
            return found
        other = _Database(
            "postgresql", lambda: _created(server, next(numbers)), lambda url: _vacuumed_bytes(server, url)
        )
        found.update(_measure(other, load, opened, folder, here, done))
        return found


def _measure(
    kind: _Database, load: Load, opened: Opened, folder: Path, here: str, done: Callable[[], None]
) -> Figures:
    work = folder / kind.name
    work.mkdir()
    ingest = ingest_rate(load, 1, work, kind.create())
    done()
    size = _packet_bytes(kind, opened, load.packets)
    jobs = drain(kind.create(), max(load.packets // 10, 50), WORKERS)["jobs_per_s"]
    commit = commit_ms(kind.create())
    done()
    told = {
        "ingest_packets_per_s": (ingest["stored_per_s"], f"{load.packets} sealed packets, broker to commit"),
        "derive_packets_per_s": (ingest["derived_per_s"], "captions derived by that process, when idle"),
        "database_bytes_per_packet": (
            size,
            f"{2 * load.packets} packets filled in, segments and search index",
        ),
        "queue_jobs_per_s": (jobs, f"{WORKERS} workers that render nothing"),
        "commit_ms": (commit, "median of 100 commits of one row"),
    }
    return {
        f"{name}_{kind.name}": measured(f"{name}_{kind.name}", value, f"{how}, {here}")
        for name, (value, how) in told.items()
    }


def _packet_bytes(kind: _Database, opened: Opened, count: int) -> float:
    url, sizes = kind.create(), list[int]()
    store = Store(url)
    fleet = Fleet(store, opened)
    for _ in range(2):
        fleet.send(store, count)
        store.close()
        sizes.append(kind.size(url))
        store = Store(url)
    store.close()
    return (sizes[1] - sizes[0]) / count


def _file_bytes(url: str) -> int:
    """Give the size of an SQLite file that nobody has open: its log was written back when it was closed."""
    return Path(make_url(url).database or "").stat().st_size


def _created(server: Postgres, number: int) -> str:
    server.execute(f"CREATE DATABASE plan_{number}")
    return server.url(f"plan_{number}")


def _vacuumed_bytes(server: Postgres, url: str) -> int:
    """Give the size of a database of PostgreSQL, without its log: what was replaced may be used again."""
    server.execute("VACUUM ANALYZE", make_url(url).database or "")
    store = Store(url)
    try:
        with store.read() as session:
            return int(session.scalar(text("SELECT pg_database_size(current_database())")) or 0)
    finally:
        store.close()
