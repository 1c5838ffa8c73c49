"""Leases: a job is one worker's at a time, and what an old one made is never published. On both databases."""

import threading
from collections.abc import Callable

import pytest
from sqlalchemy.orm import Session

from cloud import jobs, leases
from cloud.candidates import Candidate, Wish, preferred
from cloud.lanes import MAX_ATTEMPTS, Lane, pause_ms
from cloud.leases import LEASE_MS, Lease, LeaseLostError
from cloud.schema import JobRow
from cloud.store import Store
from tests.cloud.backlog import NOW_MS, file_packets


def ask(store: Store, *packet_ids: int, lane: Lane = Lane.BACKFILL, late_ms: int | None = None) -> None:
    with store.write() as session:
        for packet_id in packet_ids:
            jobs.enqueue(session, packet_id, NOW_MS, lane=lane, late_ms=late_ms)


def take(store: Store, now_ms: int = NOW_MS, worker: str = "a", wish: Wish = Wish()) -> Lease | None:  # noqa: B008
    with store.write() as session:
        return leases.take(session, worker, now_ms, wish)


def taken(store: Store, now_ms: int = NOW_MS, worker: str = "a") -> Lease:
    lease = take(store, now_ms, worker)
    assert lease is not None
    return lease


def finish(store: Store, lease: Lease, result_ref: str = "f" * 64) -> None:
    with store.write() as session:
        leases.finish(session, lease, NOW_MS, result_ref)


def job(store: Store, packet_id: int) -> JobRow:
    with store.read() as session:
        return session.get_one(JobRow, (packet_id, ""))


def at_once(count: int, work: Callable[[], object]) -> None:
    threads = [threading.Thread(target=work, name=f"worker-{number}") for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)


def test_a_job_that_one_worker_has_no_other_gets(any_store: Store) -> None:
    (packet_id,) = file_packets(any_store, 1)
    ask(any_store, packet_id)
    lease = taken(any_store)
    assert (lease.packet_id, lease.attempt) == (packet_id, 1)
    assert take(any_store, worker="b") is None
    finish(any_store, lease)
    done = job(any_store, packet_id)
    assert (done.state, done.result_ref, done.worker) == ("done", "f" * 64, "a")


def test_many_workers_do_each_job_once(any_store: Store) -> None:
    packets = file_packets(any_store, *(number % 3 for number in range(60)))
    ask(any_store, *packets)
    done = list[int]()

    def work() -> None:
        while (lease := take(any_store)) is not None:
            finish(any_store, lease)
            done.append(lease.packet_id)

    at_once(4, work)
    assert sorted(done) == packets
    with any_store.read() as session:
        assert jobs.counts(session)["done"] == len(packets)


def test_who_asks_at_the_same_time_asks_for_the_same_job(any_store: Store) -> None:
    packets = file_packets(any_store, *range(8))
    at_once(4, lambda: ask(any_store, *packets))
    with any_store.read() as session:
        assert jobs.counts(session)["queued"] == len(packets)
        assert {view.id for view in jobs.listed(session)} == {f"{packet}-1" for packet in packets}


def test_of_two_workers_with_one_job_the_one_whose_lease_is_over_loses(any_store: Store) -> None:
    (packet_id,) = file_packets(any_store, 1)
    ask(any_store, packet_id)
    old = taken(any_store)
    assert take(any_store, NOW_MS + LEASE_MS - 1, "b") is None
    new = taken(any_store, NOW_MS + LEASE_MS, "b")
    assert new.fence > old.fence
    with pytest.raises(LeaseLostError, match=f"job {packet_id}-1: fence {old.fence}"):
        finish(any_store, old, "old")
    with any_store.write() as session:
        assert not leases.beat(session, old, NOW_MS)
        assert not leases.fail(session, old, NOW_MS, "no matter", passing=True)
        assert not leases.give_back(session, old, NOW_MS)
    finish(any_store, new, "new")
    assert job(any_store, packet_id).result_ref == "new"
    with pytest.raises(LeaseLostError):
        finish(any_store, old, "old")
    assert job(any_store, packet_id).result_ref == "new", "what became of a turn never changes"


def test_a_worker_that_was_declared_dead_cannot_publish_also_if_nobody_took_its_job(any_store: Store) -> None:
    (packet_id,) = file_packets(any_store, 1)
    ask(any_store, packet_id)
    old = taken(any_store)
    with any_store.write() as session:
        assert leases.reclaim(session, NOW_MS + LEASE_MS) == 1
    with pytest.raises(LeaseLostError):
        finish(any_store, old)
    assert job(any_store, packet_id).state == "queued"


def test_a_heartbeat_keeps_a_lease(any_store: Store) -> None:
    ask(any_store, *file_packets(any_store, 1))
    lease = taken(any_store)
    with any_store.write() as session:
        assert leases.beat(session, lease, NOW_MS + LEASE_MS - 1)
    assert take(any_store, NOW_MS + LEASE_MS, "b") is None
    finish(any_store, lease)


@pytest.mark.parametrize("jump_ms", [3_600_000, -3_600_000])
def test_a_clock_that_jumps_gives_no_job_to_two_publishers(any_store: Store, jump_ms: int) -> None:
    (packet_id,) = file_packets(any_store, 1)
    ask(any_store, packet_id)
    first, published = taken(any_store), list[str]()
    second = take(any_store, NOW_MS + jump_ms, "b")
    for name, lease in (("a", first), ("b", second)):
        if lease is not None:
            try:
                finish(any_store, lease, name)
            except LeaseLostError:
                continue
            published.append(name)
    assert published == (["b"] if jump_ms > 0 else ["a"])


def test_what_may_pass_is_tried_again_after_longer_and_longer_pauses_then_is_dead(
    any_store: Store,
) -> None:
    (packet_id,) = file_packets(any_store, 1)
    ask(any_store, packet_id)
    now_ms = NOW_MS
    for attempt in range(1, MAX_ATTEMPTS + 1):
        lease = taken(any_store, now_ms)
        assert lease.attempt == attempt
        with any_store.write() as session:
            again = leases.fail(session, lease, now_ms, "disk full", passing=True)
        assert again == (attempt < MAX_ATTEMPTS)
        assert take(any_store, now_ms + pause_ms(attempt) - 1) is None
        now_ms += pause_ms(attempt)
    dead = job(any_store, packet_id)
    assert (dead.state, dead.error) == ("dead", "disk full")
    assert take(any_store, now_ms + 10**9) is None


def test_asking_again_shortens_no_pause_after_a_failure(any_store: Store) -> None:
    (packet_id,) = file_packets(any_store, 1)
    ask(any_store, packet_id)
    lease = taken(any_store)
    with any_store.write() as session:
        leases.fail(session, lease, NOW_MS, "disk full", passing=True)
    ask(any_store, packet_id, lane=Lane.LIVE)
    assert take(any_store, NOW_MS + pause_ms(1) - 1) is None
    assert taken(any_store, NOW_MS + pause_ms(1)).attempt == 2


def test_what_lasts_is_dead_at_once_and_a_retry_is_another_turn(any_store: Store) -> None:
    (packet_id,) = file_packets(any_store, 1)
    ask(any_store, packet_id, lane=Lane.EVENT)
    with any_store.write() as session:
        lease = leases.take(session, "a", NOW_MS)
        assert lease is not None
        leases.fail(session, lease, NOW_MS, "no such colour", passing=False)
    with any_store.write() as session:
        (dead,) = jobs.listed(session, ["dead"])
        assert (dead.id, dead.error, dead.lane) == (f"{packet_id}-1", "no such colour", "event")
        assert jobs.retry(session, dead.id, NOW_MS) == f"{packet_id}-2"
    again = job(any_store, packet_id)
    assert (again.state, again.attempts, again.error, again.lane) == ("queued", 0, None, Lane.EVENT)


@pytest.mark.parametrize("job_id", ["", "7", "1-2", "x-1", "01-1", "-1", "1-", f"{10**20}-1", "\u0661-1"])
def test_a_job_that_is_not_there_is_named(any_store: Store, job_id: str) -> None:
    packets = file_packets(any_store, 1)
    ask(any_store, *packets)
    with any_store.read() as session:
        assert jobs.find(session, f"{packets[0]}-1").packet_id == packets[0]
        with pytest.raises(jobs.JobError, match="is not there"):
            jobs.find(session, job_id)


def test_a_job_that_waits_or_runs_cannot_be_retried(any_store: Store) -> None:
    (packet_id,) = file_packets(any_store, 1)
    ask(any_store, packet_id)
    with any_store.write() as session, pytest.raises(jobs.JobError, match="is queued"):
        jobs.retry(session, f"{packet_id}-1", NOW_MS)


def test_a_live_job_that_comes_too_late_is_dropped_and_counted(any_store: Store) -> None:
    late, later, never = file_packets(any_store, 1, 2, 3)
    ask(any_store, late, lane=Lane.LIVE, late_ms=NOW_MS + 100)
    ask(any_store, later, lane=Lane.LIVE, late_ms=NOW_MS + 101)
    ask(any_store, never)
    assert taken(any_store, NOW_MS + 100).packet_id == later
    with any_store.read() as session:
        assert jobs.counts(session)["late"] == 1
    assert job(any_store, late).state == "late"


def test_who_asks_for_a_live_segment_to_keep_it_gets_it_however_late(any_store: Store) -> None:
    (packet_id,) = file_packets(any_store, 1)
    ask(any_store, packet_id, lane=Lane.LIVE, late_ms=NOW_MS + 100)
    ask(any_store, packet_id, lane=Lane.LIVE)
    assert taken(any_store, NOW_MS + 10**6).packet_id == packet_id


def test_a_job_that_was_cancelled_and_asked_for_again_is_not_closed_by_who_had_it_before(
    any_store: Store,
) -> None:
    (packet_id,) = file_packets(any_store, 1)
    ask(any_store, packet_id)
    before = taken(any_store)
    with any_store.write() as session:
        assert jobs.cancel(session, packet_id, NOW_MS)
    ask(any_store, packet_id)
    with pytest.raises(LeaseLostError):
        finish(any_store, before)
    assert (job(any_store, packet_id).state, job(any_store, packet_id).turn) == ("queued", 2)


@pytest.mark.parametrize("withdraw", [jobs.cancel, jobs.leave_out])
def test_what_was_made_in_spite_of_being_withdrawn_is_done(
    any_store: Store, withdraw: Callable[[Session, int, int], bool]
) -> None:
    (packet_id,) = file_packets(any_store, 1)
    ask(any_store, packet_id)
    lease = taken(any_store)
    with any_store.write() as session:
        assert withdraw(session, packet_id, NOW_MS)
        assert not leases.is_kept(session, lease)
    finish(any_store, lease)
    assert job(any_store, packet_id).state == "done"


def test_a_worker_stays_with_its_camera(any_store: Store) -> None:
    packets = file_packets(any_store, 1, 2, 1, 2)
    ask(any_store, *packets)
    first = taken(any_store)
    assert first.packet_id == packets[0]
    second = take(any_store, wish=Wish(first.camera_id))
    assert second is not None
    assert second.packet_id == packets[2]


def test_a_worker_prefers_a_camera_that_no_other_renders(any_store: Store) -> None:
    packets = file_packets(any_store, 1, 1, 2)
    ask(any_store, *packets)
    assert [taken(any_store).packet_id for _ in packets] == [packets[0], packets[2], packets[1]]


def test_where_clips_go_on_from_each_other_a_camera_is_rendered_by_one_worker_at_a_time(
    any_store: Store,
) -> None:
    packets = file_packets(any_store, *(1 for _ in range(20)), 2)
    ask(any_store, *packets)
    wish = Wish(in_turn=True)
    first, other = take(any_store, wish=wish), take(any_store, wish=wish)
    assert first is not None
    assert other is not None
    assert (first.packet_id, other.packet_id) == (packets[0], packets[-1]), "far behind the first"
    assert take(any_store, wish=wish) is None
    finish(any_store, first)
    second = take(any_store, wish=wish)
    assert second is not None
    assert second.packet_id == packets[1]


def test_staying_with_a_camera_costs_nobody_else_more_than_a_moment() -> None:
    other = Candidate(1, 8, Lane.LIVE, NOW_MS)
    soon = Candidate(2, 9, Lane.LIVE, NOW_MS + 1_000)
    after = Candidate(3, 9, Lane.LIVE, NOW_MS + 10_000)
    below = Candidate(4, 9, Lane.BACKFILL, NOW_MS)
    assert preferred([other, soon, after, below], 9, frozenset()) == [soon, other, after, below]
    assert preferred([], 9, frozenset()) == []


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_on_postgresql_no_worker_waits_for_what_another_has_locked(any_store: Store) -> None:
    packets = file_packets(any_store, 1, 1, 1)
    ask(any_store, *packets)
    with any_store.write() as slow:
        held = leases.take(slow, "a", NOW_MS)
        assert held is not None
        other = taken(any_store, worker="b")
        assert other.packet_id != held.packet_id
    assert taken(any_store).packet_id not in (held.packet_id, other.packet_id)


def test_leases_are_timed_by_the_database(any_store: Store) -> None:
    with any_store.read() as session:
        first, second = leases.database_ms(session), leases.database_ms(session)
    assert 0 <= second - first < 60_000
    assert first > NOW_MS - 10**12


def test_how_much_waits_is_counted_up_to_a_limit(any_store: Store) -> None:
    packets = file_packets(any_store, *range(4))
    ask(any_store, *packets)
    taken(any_store)
    with any_store.read() as session:
        assert [leases.depth(session, NOW_MS, limit) for limit in (2, 9)] == [2, 3]
