"""The order of jobs: urgent ones first, nobody last for ever; and the pauses between attempts."""

import itertools
from dataclasses import dataclass

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select

from cloud import leases
from cloud.candidates import Wish
from cloud.lanes import AGED_MS, FAIR_EVERY, Lane, is_fair, pause_ms, rank
from cloud.schema import JobRow, PacketRow
from cloud.store import Store
from tests.cloud.backlog import NOW_MS, file_packets


@dataclass(frozen=True)
class Job:
    lane: Lane
    asked_ms: int
    packet_id: int


def first(jobs: list[Job], now_ms: int, *, fair: bool) -> Job:
    return min(jobs, key=lambda job: rank(job.lane, job.asked_ms, job.packet_id, now_ms, fair=fair))


def test_who_looks_is_served_before_alerts_and_those_before_what_nobody_waits_for() -> None:
    jobs = [Job(lane, NOW_MS, number) for number, lane in enumerate(reversed(Lane))]
    order = []
    while jobs:
        order.append(first(jobs, NOW_MS, fair=False))
        jobs.remove(order[-1])
    assert [job.lane for job in order] == [Lane.LIVE, Lane.EVENT, Lane.FRESH, Lane.BACKFILL]


def test_under_a_load_of_live_jobs_that_never_ends_the_past_gets_its_share_and_no_more() -> None:
    """Each take is a second, and in each second somebody asks for another live segment."""
    numbers = itertools.count()
    past = [Job(Lane.BACKFILL, NOW_MS, next(numbers)) for _ in range(10)]
    live, taken = list[Job](), list[Lane]()
    for take in range(200):
        now_ms = NOW_MS + 1000 * take
        live.append(Job(Lane.LIVE, now_ms, next(numbers)))
        chosen = first(live + past, now_ms, fair=is_fair(take))
        (live if chosen in live else past).remove(chosen)
        taken.append(chosen.lane)
    assert Lane.BACKFILL not in taken[: AGED_MS // 1000], "nobody starves yet"
    assert past == [], "in the end all of it is made"
    assert all(taken[at : at + FAIR_EVERY].count(Lane.BACKFILL) <= 1 for at in range(len(taken)))


def test_pauses_grow_and_end_at_five_minutes() -> None:
    assert [pause_ms(attempts) for attempts in range(1, 6)] == [5_000, 20_000, 80_000, 300_000, 300_000]


jobs_of_all_kinds = st.lists(
    st.tuples(st.sampled_from(Lane), st.integers(NOW_MS - 2 * AGED_MS, NOW_MS)), min_size=1, max_size=8
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(jobs=jobs_of_all_kinds, fair=st.booleans())
def test_the_database_orders_as_the_rank_says(
    any_store: Store, jobs: list[tuple[Lane, int]], *, fair: bool
) -> None:
    """Each camera has one job, so none is preferred; asked at the same time, the lower id goes first."""
    with any_store.write() as session:
        session.execute(delete(JobRow))
    ids = packets(any_store)
    rows = [
        {"packet_id": ids[number], "state": "queued", "lane": int(lane), "asked_ms": asked_ms, "turn": 1}
        | dict.fromkeys(("not_before_ms", "attempts", "fence", "lease_ms", "changed_ms"), 0)
        for number, (lane, asked_ms) in enumerate(jobs)
    ]  # fmt: skip
    expected = sorted(rank(lane, asked, ids[n], NOW_MS, fair=fair) for n, (lane, asked) in enumerate(jobs))
    with any_store.write() as session:
        session.execute(insert(JobRow), rows)
        taken = [leases.take(session, "worker", NOW_MS, Wish(fair=fair)) for _ in jobs]
    assert [lease and lease.packet_id for lease in taken] == [place[-1] for place in expected]


def packets(store: Store) -> list[int]:
    """Give eight packets of as many cameras; the same for all examples."""
    with store.read() as session:
        found = list(session.scalars(select(PacketRow.id).order_by(PacketRow.id)))
    return found or file_packets(store, *range(8))
