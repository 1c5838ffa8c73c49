"""Workers that die, sleep or meet a store that is down: every job ends once, and nothing is left behind."""

import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray

from cloud import crew as crews
from cloud import jobs
from cloud.bundles import Bundles
from cloud.catalog import Catalog
from cloud.clock import wall_ms
from cloud.crew import Crew
from cloud.lanes import pause_ms
from cloud.leases import LEASE_MS
from cloud.objects import Objects
from cloud.render.clip import fingerprint
from cloud.render.renderer import Context, Renderer, never
from cloud.store import Store
from cloud.terms import Terms
from cloud.viewing import Viewing
from cloud.worker import Worker
from mirage.bench.cloud.postgres import Postgres
from tests.bundles import CAPTIONS
from tests.cloud.crashing import Window
from tests.cloud.desk import NOW_MS, Desk
from tests.cloud.kinds import KINDS, on_each_kind
from tests.cloud.sample import CarryingRenderer, Device, MeanRenderer
from tests.cloud.studio import CAMERA_ID, FOLDERS, Studio
from tests.cloud.waiting import until
from tests.gateway import Mood, gateway
from tests.postgres import Cluster
from tests.s3 import S3
from wire.bundle import Bundle
from wire.documents import CameraInfo
from wire.policy import Policy
from wire.segment import Segment

ROOT = Path(__file__).parent.parent.parent
POLICY = Policy(long_side_px=64)
# Before it has made a clip, it does not matter to a worker where clips go.
CRASHES = [(*kind, window) for kind in KINDS for window in get_args(Window)]
CRASHES.remove(("postgresql", "s3", "while it renders"))


class Counting(MeanRenderer):
    """Counts how often it was asked for each segment, and calls `meanwhile` in each."""

    def __init__(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.asked = list[int]()
        self.meanwhile = meanwhile

    def render(
        self,
        segment: Segment,
        context: Context,
        camera: CameraInfo,
        policy: Policy,
        seed: int,
        cancelled: Callable[[], bool] = never,
    ) -> NDArray[np.uint8]:
        self.asked.append(segment.sequence)
        self.meanwhile()
        return super().render(segment, context, camera, policy, seed, cancelled)


def film(store: Store, bundle: Bundle, count: int) -> None:
    """Store segments that need nothing of each other, and have them rendered."""
    desk, device = Desk(store, [bundle]), Device(bundle)
    desk.birth(device)
    for number in range(count):
        desk.sem(device, device.packet(CAPTIONS[number % 2], refresh=True))
    with store.write() as session:
        for packet_id in range(1, count + 1):
            jobs.enqueue(session, packet_id, NOW_MS)


@pytest.mark.parametrize(("store_url", "place", "window"), CRASHES, indirect=["store_url", "place"])
def test_a_worker_is_killed_and_its_job_ends_once(
    store_url: str, any_store: Store, place: str, bundle: Bundle, window: str
) -> None:
    film(any_store, bundle, 1)
    command = [sys.executable, "-m", "tests.cloud.crashing", store_url, place, str(bundle.root), window]
    died = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    renderer = Counting()
    studio = Studio(any_store, place, bundle, renderer)
    studio.now_ms = wall_ms()
    assert not studio.worker.work(), "its lease is not over, or there is nothing left to do"
    studio.now_ms += 2 * LEASE_MS
    assert studio.worker.work() == (window != "after commit")
    assert not studio.worker.work()
    assert studio.segments()[0].render == "done"
    assert studio.kinds() == [".jpg", ".mp4"], "what the dead worker left is gone"
    assert len(renderer.asked) == (0 if window == "after commit" else 1)


@on_each_kind
def test_a_worker_that_slept_through_its_lease_publishes_nothing(
    any_store: Store, place: str, bundle: Bundle
) -> None:
    """The other one has done the job by the time that it wakes up."""

    def overtake() -> None:
        for studio in (slow, quick):
            studio.now_ms += LEASE_MS
        assert quick.worker.work()

    film(any_store, bundle, 1)
    quick = Studio(any_store, place, bundle, Counting())
    slow = Studio(any_store, place, bundle, Counting(overtake))
    assert slow.worker.work()
    with any_store.read() as session:
        (job,) = jobs.listed(session)
    clip = quick.segments()[0].clip
    assert clip is not None
    assert (job.state, job.attempts) == ("done", 2)
    assert quick.kinds() == [".jpg", ".mp4"]
    ((video,),) = quick.objects.listed("clips")
    assert video.size == clip.bytes


def test_many_workers_render_each_segment_once(any_store: Store, tmp_path: Path, bundle: Bundle) -> None:
    film(any_store, bundle, 20)
    renderers = [Counting() for _ in range(3)]
    at_work(any_store, tmp_path / "objects", bundle, renderers, lambda: None)
    asked = [segment for renderer in renderers for segment in renderer.asked]
    assert sorted(asked) == list(range(20))


def test_clips_of_a_camera_go_on_from_each_other_whoever_makes_them(
    any_store: Store, tmp_path: Path, bundle: Bundle
) -> None:
    film(any_store, bundle, 10)
    at_work(any_store, tmp_path / "objects", bundle, [CarryingRenderer() for _ in range(3)], lambda: None)
    segments = Catalog(any_store).segments(CAMERA_ID)[::-1]
    said = [json.loads(segment.clip.provenance) for segment in segments if segment.clip is not None]
    assert [each["continues"] for each in said] == [None, *map(fingerprint, said[:-1])]


def test_a_database_is_killed_under_load_and_every_job_ends_once(
    cluster: Cluster, tmp_path: Path, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crews, "RESTART_S", (0.05, 0.1))
    store = Store(cluster.fresh())
    film(store, bundle, 20)
    begun = threading.Event()

    def meanwhile() -> None:
        begun.set()
        time.sleep(0.05)

    def restart() -> None:
        assert begun.wait(60)
        server: Postgres = cluster.server
        for _ in range(2):
            server.kill()
            server.start()

    folder = tmp_path / "objects"
    at_work(store, folder, bundle, [Counting(meanwhile) for _ in range(2)], restart)
    store.close()
    assert len(list((folder / "clips").glob("*.mp4"))) == 20, (
        "nothing of those that could not publish is left"
    )


def test_a_store_that_is_locked_for_a_while_costs_nothing_but_time(
    store: Store, tmp_path: Path, bundle: Bundle
) -> None:
    film(store, bundle, 4)

    def lock() -> None:
        with store.write():
            time.sleep(0.5)

    renderer = Counting()
    at_work(store, tmp_path / "objects", bundle, [renderer], lock)
    assert sorted(renderer.asked) == list(range(4))


def at_work(
    store: Store, folder: Path, bundle: Bundle, renderers: Sequence[Renderer], meanwhile: Callable[[], None]
) -> None:
    """Run a worker for each renderer, and `meanwhile`, until all is done. Their clock is 30 times as fast."""
    objects, crew, stop = Objects(str(folder)), Crew(), threading.Event()
    for number, renderer in enumerate(renderers):
        bundles = Bundles([bundle], _always(renderer))
        worker = Worker(
            store, objects, bundles, Terms.of(POLICY), lambda: 30 * wall_ms(), name=f"worker-{number}"
        )
        crew.add(f"worker-{number}", worker.run)
    thread = threading.Thread(target=crew.run, args=(stop,), name="crew")
    thread.start()
    try:
        meanwhile()
        catalog = Catalog(store)
        until(lambda: {segment.render for segment in catalog.segments(CAMERA_ID)} == {"done"}, 60)
    finally:
        stop.set()
        thread.join(60)


def _always(renderer: Renderer) -> Callable[[Bundle, int], Renderer]:
    return lambda _bundle, _threads: renderer


@pytest.mark.parametrize(
    ("mood", "reason"),
    [("refuses writes", "503 .*SlowDown"), ("breaks off writes", "broke"), ("hangs", "no answer")],
)
def test_an_object_store_in_trouble_delays_the_job_and_nothing_is_lost(
    store: Store, bundle: Bundle, s3: S3, monkeypatch: pytest.MonkeyPatch, mood: Mood, reason: str
) -> None:
    film(store, bundle, 1)
    now_ms = NOW_MS
    with gateway(s3.url) as way:
        objects = Objects(s3.place(monkeypatch, url=way.url), timeout_s=0.5 if mood == "hangs" else 30)
        viewing = Viewing(store, objects, lambda: now_ms)
        worker = Worker(
            store, objects, Bundles([bundle], _always(Counting())), Terms.of(POLICY), lambda: now_ms
        )
        way.mood = mood
        assert worker.work()
        with store.read() as session:
            (job,) = jobs.listed(session)
        assert (job.state, job.attempts) == ("queued", 1)
        assert job.error is not None
        assert re.search(reason, job.error), job.error
        assert viewing.catalog.segment(1).clip is None
        way.mood = "well"
        assert not worker.work()
        now_ms += pause_ms(1)
        assert worker.work()
        stored = viewing.find(1, "video")
        assert viewing.read(stored, 4, 8) == b"ftyp"
        assert viewing.read(stored, 0, stored.size + 1) == viewing.read(stored, 0, stored.size)
        kept = [each.key for folder in FOLDERS for page in objects.listed(folder) for each in page]
    assert sorted(Path(key).suffix for key in kept) == [".jpg", ".mp4"], "what the first attempt left is gone"
