"""The heartbeat: a lease is kept for as long as its job takes, and no longer."""

import threading
from functools import partial

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from cloud import jobs, leases
from cloud.heartbeat import Heartbeat
from cloud.leases import LEASE_MS, Lease
from cloud.schema import JobRow
from cloud.store import Store, StoreError
from tests.cloud.backlog import NOW_MS, file_packets
from tests.cloud.waiting import until

BEAT_S = 0.01


@pytest.fixture
def lease(store: Store) -> Lease:
    (packet_id,) = file_packets(store, 1)
    with store.write() as session:
        jobs.enqueue(session, packet_id, NOW_MS)
        taken = leases.take(session, "worker", NOW_MS)
    assert taken is not None
    return taken


def expires(store: Store, at_ms: int) -> bool:
    with store.read() as session:
        return session.get_one(JobRow, (1, "")).lease_ms == at_ms


def beating() -> bool:
    return any(thread.name.startswith("heartbeat") for thread in threading.enumerate())


def test_a_job_that_takes_long_keeps_its_lease(store: Store, lease: Lease) -> None:
    now_ms = NOW_MS
    with Heartbeat(store, lease, lambda _session: now_ms, BEAT_S):
        for later_ms in (LEASE_MS - 1, 2 * LEASE_MS, 3 * LEASE_MS):
            now_ms = NOW_MS + later_ms
            until(partial(expires, store, now_ms + LEASE_MS))
    assert not beating()


def test_it_ends_when_the_job_is_somebody_elses(store: Store, lease: Lease) -> None:
    with Heartbeat(store, lease, lambda _session: NOW_MS, BEAT_S):
        with store.write() as session:
            session.execute(update(JobRow).values(fence=lease.fence + 1, lease_ms=7))
        until(lambda: not beating())
        assert expires(store, 7)


def test_a_store_that_does_not_answer_for_a_moment_ends_no_heartbeat(
    store: Store, lease: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = iter(range(2))

    def beat(session: Session, kept: Lease, now_ms: int) -> bool:
        if next(failures, None) is not None:
            raise StoreError("no database")
        return real(session, kept, now_ms)

    real = leases.beat
    monkeypatch.setattr(leases, "beat", beat)
    with Heartbeat(store, lease, lambda _session: NOW_MS + 1, BEAT_S):
        until(lambda: expires(store, NOW_MS + 1 + LEASE_MS))
