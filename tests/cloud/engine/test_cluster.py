"""Renderers on the nodes of a real Ray cluster of three, all on this machine."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cloud import jobs
from cloud.access.roles import Role
from cloud.bundles import Bundles
from cloud.catalog import Catalog, SegmentView
from cloud.engine import bounds
from cloud.engine.bounds import Bounds
from cloud.objects import Objects
from cloud.store import Store
from cloud.terms import Terms
from cloud.worker import Worker
from tests.bundles import CAPTIONS
from tests.cloud.desk import NOW_MS, Desk
from tests.cloud.engine.sluggish import load_sluggish
from tests.cloud.sample import Device
from tests.cloud.studio import CAMERA_ID
from tests.cloud.waiting import until
from wire.bundle import Bundle
from wire.policy import Policy

ray = pytest.importorskip("ray", reason="ray is not installed: pip install 'mirage-video[cluster]'")
cluster_utils = pytest.importorskip("ray.cluster_utils")

from cloud.engine.cluster import EngineError, Fleet, connect  # noqa: E402 -- only where Ray is installed
from cloud.engine.remote import Host, Place  # noqa: E402

# Ray leaves sockets and warnings of its own behind.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(600)]
SEGMENTS = 12


class Nodes:
    """A head without room for renderers, and nodes with room for one each."""

    def __init__(self) -> None:
        self.cluster = cluster_utils.Cluster(
            initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": 80_000_000}
        )
        self.others = [self.add(), self.add()]

    def add(self) -> object:
        return self.cluster.add_node(num_cpus=1, object_store_memory=80_000_000)

    def lose(self) -> None:
        self.cluster.remove_node(self.others.pop(), allow_graceful=False)


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    made = Nodes()
    ray.init(address=made.cluster.address, log_to_driver=False, namespace="mirage")
    yield made
    ray.shutdown()
    made.cluster.shutdown()


class Yard:
    """A fleet over a store with segments of one camera."""

    def __init__(self, store: Store, folder: Path, bundle: Bundle, most: int) -> None:
        self.store = store
        self.catalog = Catalog(store)
        self.objects = Objects(str(folder))
        self._bundle = bundle
        place = Place(1, 0, [str(bundle.root)], 1, load_sluggish)
        self.fleet = Fleet(store, place, self._worker, Bounds(1, most))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.fleet.run, args=(self._stop,), name="fleet")

    def _worker(self, number: int, host: Host) -> Worker:
        policy = Policy(long_side_px=64)
        bundles = Bundles([self._bundle], host.renderer)
        return Worker(self.store, self.objects, bundles, Terms.of(policy), name=f"post-{number}")

    def ask(self, *packet_ids: int) -> None:
        with self.store.write() as session:
            for packet_id in packet_ids:
                jobs.enqueue(session, packet_id, NOW_MS)

    def segments(self) -> list[SegmentView]:
        return self.catalog.segments(CAMERA_ID, role=Role.ADMIN)[::-1]

    def states(self) -> list[str]:
        return [segment.render for segment in self.segments()]

    @contextmanager
    def at_work(self) -> Iterator["Yard"]:
        self._thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            self._thread.join(60)
        assert not self._thread.is_alive()


@pytest.fixture
def filmed(desk: Desk, device: Device) -> Device:
    desk.birth(device)
    for number in range(SEGMENTS):
        desk.sem(device, device.packet(CAPTIONS[number % 2], refresh=True))
    return device


@pytest.mark.usefixtures("filmed")
def test_a_node_is_killed_while_it_renders_and_every_job_ends_once(
    nodes: Nodes, store: Store, tmp_path: Path, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With twelve jobs a second renderer is worth it, and after them no longer."""
    monkeypatch.setattr(bounds, "SHRINK_S", 0.5)
    with Yard(store, tmp_path / "objects", bundle, most=2).at_work() as yard:
        yard.ask(*range(1, SEGMENTS + 1))
        until(lambda: yard.states().count("running") == 2, 180)
        nodes.lose()
        until(lambda: set(yard.states()) == {"done"}, 180)
        nodes.others.append(nodes.add())
        until(lambda: yard.fleet.size == 1)
    with store.read() as session:
        done = jobs.listed(session)
    segments = yard.segments()
    assert [segment.clip is not None for segment in segments] == [True] * SEGMENTS
    assert {segment.clip.degraded for segment in segments if segment.clip} == {"sluggish"}
    assert len({job.result_ref for job in done}) == SEGMENTS
    assert max(job.attempts for job in done) == 2, "one job was on the node that was lost"
    assert len(list((tmp_path / "objects/clips").iterdir())) == SEGMENTS, "each was published once"


@pytest.mark.usefixtures("filmed", "nodes")
def test_a_job_that_is_cancelled_ends_on_its_node_at_the_next_step(
    store: Store, tmp_path: Path, bundle: Bundle
) -> None:
    with Yard(store, tmp_path / "objects", bundle, most=1).at_work() as yard:
        yard.ask(1, 2)
        until(lambda: yard.states()[0] == "running", 180)
        with store.write() as session:
            assert jobs.cancel(session, 1, NOW_MS)
        until(lambda: yard.states()[:2] == ["cancelled", "done"], 180)


@pytest.mark.usefixtures("nodes")
def test_what_a_renderer_says_on_its_node_is_the_reason(
    store: Store, tmp_path: Path, bundle: Bundle, desk: Desk, device: Device
) -> None:
    desk.birth(device)
    for _ in range(14):
        desk.sem(device, device.packet(refresh=True))
    with Yard(store, tmp_path / "objects", bundle, most=1).at_work() as yard:
        yard.ask(14)
        until(lambda: yard.states()[13] == "failed", 180)
    assert yard.segments()[13].error == "segment 13: no such colour"


def test_a_cluster_that_is_not_there_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", _unreachable)
    with pytest.raises(EngineError, match=r"ray 127\.0\.0\.1:1: nobody there$"):
        connect("127.0.0.1:1")


def _unreachable(**_: object) -> None:
    raise ConnectionError("nobody there\nand more")
