"""The queue as those see it who look after it. On both databases, and over HTTP."""

from collections.abc import Iterator

import httpx
import pytest

from cloud import jobs, leases
from cloud.access.roles import Scope
from cloud.api import Health, create_api
from cloud.job_routes import job_routes
from cloud.jobs import JobError
from cloud.lanes import Lane
from cloud.objects import Objects
from cloud.queue import HOUR_MS, Hour, Queue
from cloud.schema import CameraRow, JobRow, LiveRow
from cloud.store import Store
from cloud.viewing import Viewing
from tests.cloud.backlog import NOW_MS, file_packets
from tests.cloud.web import serving

CAMERA = "acme/north/jetson-1/cam-1"
OTHERS = Scope(("umbrella",))


@pytest.fixture
def packets(any_store: Store) -> list[int]:
    """Make five segments of one camera: dead, running, done, and two that wait, one of them live."""
    packets = file_packets(any_store, 1, 1, 1, 1, 1)
    with any_store.write() as session:
        for packet_id in packets[:3]:
            jobs.enqueue(session, packet_id, NOW_MS)
            lease = leases.take(session, "host-7-0", leases.database_ms(session))
            assert lease is not None
            if packet_id == packets[0]:
                leases.fail(session, lease, NOW_MS, "no such colour", passing=False)
            if packet_id == packets[2]:
                leases.finish(session, lease, NOW_MS, "f" * 64)
        jobs.enqueue(session, packets[3], NOW_MS)
        jobs.enqueue(session, packets[4], NOW_MS + 10, lane=Lane.LIVE)
    return packets


@pytest.fixture
def queue(any_store: Store) -> Queue:
    return Queue(any_store, lambda: NOW_MS + 1_000)


def test_jobs_are_counted_by_lane_and_state(queue: Queue, packets: list[int]) -> None:
    now = queue.overview()
    counts = {each.lane: (each.queued, each.running, each.done, each.dead) for each in now.lanes}
    assert counts == {
        "live": (1, 0, 0, 0), "event": (0, 0, 0, 0), "fresh": (0, 0, 0, 0), "backfill": (1, 1, 1, 1),
    }  # fmt: skip
    assert now.oldest_ms == NOW_MS
    assert now.hour == Hour(done=1, dead=1, late=0, render_ms=None)
    assert len(packets) == 5


def test_the_last_hour_is_an_hour(any_store: Store, packets: list[int]) -> None:
    assert packets
    assert Queue(any_store, lambda: NOW_MS + HOUR_MS).overview().hour.done == 1
    assert Queue(any_store, lambda: NOW_MS + HOUR_MS + 1).overview().hour.done == 0


def test_what_live_views_left_out_is_counted(any_store: Store, queue: Queue, packets: list[int]) -> None:
    assert packets
    with any_store.write() as session:
        session.add(LiveRow(camera_id=session.query(CameraRow.id).limit(1).scalar_subquery(), late=17))
    assert queue.overview().live_late == 17
    assert queue.overview(OTHERS).live_late == 0


def test_those_that_wait_are_listed_in_the_order_of_their_lanes(queue: Queue, packets: list[int]) -> None:
    waiting = queue.listed(["queued"])
    assert [entry.job.segment for entry in waiting] == [packets[4], packets[3]]
    assert [entry.camera for entry in waiting] == [CAMERA] * 2
    assert [entry.job.segment for entry in queue.listed(["queued"], Lane.BACKFILL)] == [packets[3]]


def test_who_sees_another_tenant_sees_nothing_of_this_one(queue: Queue, packets: list[int]) -> None:
    assert packets
    assert queue.listed(scope=OTHERS) == []
    now = queue.overview(OTHERS)
    assert (now.oldest_ms, now.hour) == (None, Hour(0, 0, 0, None))
    assert {each.queued for each in now.lanes} == {0}
    assert len(queue.listed(scope=Scope(("acme", "north")))) == 5


def test_a_dead_job_gets_another_turn_and_one_that_waits_is_cancelled(
    queue: Queue, packets: list[int]
) -> None:
    again = queue.retry(f"{packets[0]}-1")
    assert (again.job.id, again.job.state) == (f"{packets[0]}-2", "queued")
    assert queue.cancel(again.job.id).job.state == "cancelled"
    with pytest.raises(JobError, match="is cancelled"):
        queue.cancel(again.job.id)
    with pytest.raises(JobError, match="is running"):
        queue.retry(f"{packets[1]}-1")


@pytest.fixture
def client(any_store: Store, queue: Queue, tmp_path: object) -> Iterator[httpx.Client]:
    viewing = Viewing(any_store, Objects(f"{tmp_path}/objects"))
    app = create_api(viewing, lambda: Health(ok=True, troubles={}, messages={}))
    app.include_router(job_routes(queue))
    with serving(app) as client:
        yield client


def test_programs_read_the_queue_and_change_it(
    any_store: Store, client: httpx.Client, packets: list[int]
) -> None:
    assert client.get("/api/v1/queue").json()["hour"]["dead"] == 1
    (dead,) = client.get("/api/v1/jobs", params={"state": "dead"}).json()
    assert (dead["job"]["id"], dead["job"]["error"]) == (f"{packets[0]}-1", "no such colour")
    assert client.get(f"/api/v1/jobs/{packets[0]}-1").json()["job"] == dead["job"]
    assert client.post(f"/api/v1/jobs/{packets[0]}-1/retry").json()["job"]["id"] == f"{packets[0]}-2"
    assert client.post(f"/api/v1/jobs/{packets[4]}-1/cancel").json()["job"]["state"] == "cancelled"
    listed = client.get("/api/v1/jobs", params={"state": ["queued", "cancelled"], "limit": 2}).json()
    assert len(listed) == 2
    with any_store.read() as session:
        assert session.get_one(JobRow, (packets[4], "")).state == "cancelled"


@pytest.mark.parametrize(
    ("verb", "path", "status", "detail"),
    [
        pytest.param("GET", "/api/v1/jobs/99-1", 404, "no job 99-1", id="unknown"),
        pytest.param("POST", "/api/v1/jobs/1-9/retry", 404, "no job 1-9", id="a turn that is over"),
        pytest.param("GET", "/api/v1/jobs/x", 422, "job_id", id="no id"),
        pytest.param("POST", "/api/v1/jobs/{running}/retry", 409, "is running", id="running"),
        pytest.param("POST", "/api/v1/jobs/{dead}/cancel", 409, "is dead", id="closed"),
        pytest.param("GET", "/api/v1/jobs?state=odd", 422, "state", id="odd state"),
    ],
)
def test_what_is_not_there_or_not_in_a_state_for_it_is_refused(
    client: httpx.Client, packets: list[int], verb: str, path: str, status: int, detail: str
) -> None:
    url = path.format(dead=f"{packets[0]}-1", running=f"{packets[1]}-1")
    answer = client.request(verb, url)
    assert (answer.status_code, detail in answer.json()["detail"]) == (status, True)
