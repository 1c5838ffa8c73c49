"""`mirage cloud jobs`: what is rendered, what failed for good, and another try of it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.table import Table

from cloud import jobs
from cloud.clock import wall_ms
from cloud.config import load
from cloud.jobs import STATES, JobError, JobView
from cloud.store import Store
from mirage.output import as_json, print_line, print_tables, time_text


def show(config: Path, states: Sequence[str], limit: int, *, json: bool) -> None:
    """List jobs, the last changed first, and count those of each state."""
    with _store(config) as store, store.read() as session:
        counts = jobs.counts(session)
        listed = jobs.listed(session, states or STATES, limit)
    if json:
        print_line(as_json({"counts": counts, "jobs": listed}))
        return
    print_line(", ".join(f"{count} {state}" for state, count in counts.items()))
    if listed:
        print_tables(_table(listed))


def retry(config: Path, job_id: str) -> None:
    """Queue a closed job again. Raises JobError."""
    with _store(config) as store, store.write() as session:
        again = jobs.retry(session, job_id, wall_ms())
    print_line(f"{again} queued")


def cancel(config: Path, job_id: str) -> None:
    """Withdraw a job that waits or runs. Raises JobError."""
    with _store(config) as store, store.write() as session:
        job = jobs.find(session, job_id)
        if not jobs.cancel(session, job.packet_id, wall_ms()):
            raise JobError(f"job {job_id}: is {job.state}")
    print_line(f"{job_id} cancelled")


def _table(listed: Sequence[JobView]) -> Table:
    table = Table("job", "state", "lane", "tries", "asked", "worker", "error")
    for job in listed:
        table.add_row(
            job.id, job.state, job.lane, str(job.attempts), time_text(job.asked_ms), job.worker or "",
            job.error or "",
        )  # fmt: skip
    return table


@contextmanager
def _store(config: Path) -> Iterator[Store]:
    store = Store(load(config).store.url)
    try:
        yield store
    finally:
        store.close()
