"""How many jobs a second the queue hands out and takes back, to renderers that do nothing."""

import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import IO

from sqlalchemy import update

from cloud.schema import DeviceRow
from cloud.store import Store
from mirage.bench.cloud.postgres import NoPostgresError, Postgres, postgres
from mirage.bench.cloud.stock import fill_with_jobs
from mirage.errors import DemoError

WORKERS = (1, 2, 4, 8)
_CAMERAS = 16
_COMMITS = 100
_TIMEOUT_S = 300.0


def measure(jobs: int, done: Callable[[], None]) -> dict[str, object]:
    """Drain `jobs` jobs by 1 to 8 processes, on either database; `done` is called after each run."""
    with tempfile.TemporaryDirectory(prefix="mirage-bench-") as folder:
        names = itertools.count()
        sqlite = _each(lambda: f"sqlite:///{folder}/{next(names)}.db", jobs, done)
    results: dict[str, object] = {"jobs": jobs, "cameras": _CAMERAS, "sqlite": sqlite}
    try:
        with postgres(durable=True) as server:
            return results | {"postgresql": _each(lambda: _database(server, next(names)), jobs, done)}
    except NoPostgresError as error:
        return results | {"postgresql": str(error)}


def _database(server: Postgres, number: int) -> str:
    server.execute(f"CREATE DATABASE bench_{number}")
    return server.url(f"bench_{number}")


def _each(new_store: Callable[[], str], jobs: int, done: Callable[[], None]) -> dict[str, object]:
    results: dict[str, object] = {"commit_ms_median": commit_ms(new_store())}
    for workers in WORKERS:
        results[f"workers_{workers}"] = drain(new_store(), jobs, workers)
        done()
    return results


def commit_ms(url: str) -> float:
    """Time the smallest transaction that reaches the disk: each job takes two, to take it and to close it."""
    store = Store(url)
    with store.write() as session:
        session.add(DeviceRow(tenant="bench", site="bench", name="bench", seen_ms=0))
    took_ms = []
    for number in range(_COMMITS):
        started_s = time.perf_counter()
        with store.write() as session:
            session.execute(update(DeviceRow).values(seen_ms=number))
        took_ms.append((time.perf_counter() - started_s) * 1000)
    store.close()
    return statistics.median(took_ms)


def drain(url: str, jobs: int, workers: int) -> dict[str, float]:
    """Fill the empty store at `url` with jobs, and have so many processes take and close them."""
    store = Store(url)
    fill_with_jobs(store, jobs, _CAMERAS)
    store.close()
    with ExitStack() as stack:  # which closes their pipes, and waits for them
        processes = [stack.enter_context(_start(url)) for _ in range(workers)]
        for process in processes:
            _line(process)
        started_s = time.perf_counter()
        for process in processes:
            _pipe(process.stdin).write("go\n")
            _pipe(process.stdin).flush()
        took_ms = [each for process in processes for each in _taken(process)]
        elapsed_s = time.perf_counter() - started_s
    if len(took_ms) != jobs:
        raise DemoError(f"{workers} workers closed {len(took_ms)} jobs of {jobs}")
    took_ms.sort()
    return {
        "jobs_per_s": jobs / elapsed_s,
        "lease_ms_median": statistics.median(took_ms),
        "lease_ms_p99": took_ms[int(len(took_ms) * 0.99)],
    }


def _start(url: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "mirage.bench.cloud.drain", url]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603


def _taken(process: "subprocess.Popen[str]") -> Sequence[float]:
    took_ms: list[float] = json.loads(_line(process))
    if process.wait(_TIMEOUT_S):
        raise DemoError(f"a worker ended with {process.returncode}")
    return took_ms


def _line(process: "subprocess.Popen[str]") -> str:
    line = _pipe(process.stdout).readline()
    if not line:
        raise DemoError(f"a worker ended with {process.wait(_TIMEOUT_S)} and said nothing")
    return line


def _pipe(stream: IO[str] | None) -> IO[str]:
    if stream is None:
        raise DemoError("a worker has no pipe")
    return stream
