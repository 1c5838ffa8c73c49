"""The worker: jobs become clips, failures become reasons, and a crash costs nothing but time."""

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import structlog
from numpy.typing import NDArray
from sqlalchemy import update

from cloud import jobs, leases
from cloud.access.roles import Role
from cloud.bundles import Bundles
from cloud.catalog import Catalog
from cloud.lanes import MAX_ATTEMPTS, Lane, pause_ms
from cloud.leases import LEASE_MS
from cloud.objects import Objects
from cloud.render.renderer import Context, RenderError, never
from cloud.schema import JobRow
from cloud.shelf import Shelf
from cloud.store import Store, StoreError
from cloud.terms import Terms
from cloud.worker import Worker
from tests.bundles import CAPTIONS
from tests.cloud.desk import NOW_MS, Desk
from tests.cloud.sample import STEPS, CarryingRenderer, Device, MeanRenderer
from tests.cloud.studio import CAMERA_ID, Studio
from tests.cloud.waiting import until
from wire.bundle import Bundle
from wire.documents import CameraInfo
from wire.policy import Policy
from wire.segment import Segment


class Recorder(MeanRenderer):
    """Remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int | None, int | None]] = []

    def render(
        self,
        segment: Segment,
        context: Context,
        camera: CameraInfo,
        policy: Policy,
        seed: int,
        cancelled: Callable[[], bool] = never,
    ) -> NDArray[np.uint8]:
        before, after = (
            None if other is None else other.sequence for other in (context.previous, context.next)
        )
        self.asked.append((segment.sequence, before, after))
        return super().render(segment, context, camera, policy, seed, cancelled)


class Broken(MeanRenderer):
    def render(
        self,
        segment: Segment,
        context: Context,
        camera: CameraInfo,
        policy: Policy,
        seed: int,
        cancelled: Callable[[], bool] = never,
    ) -> NDArray[np.uint8]:
        del context, camera, policy, seed, cancelled
        raise RenderError(f"segment {segment.sequence}: no such colour")


@pytest.fixture
def renderer() -> Recorder:
    return Recorder()


@pytest.fixture
def studio(store: Store, tmp_path: Path, bundle: Bundle, renderer: Recorder) -> Studio:
    return Studio(store, tmp_path / "objects", bundle, renderer)


def film(desk: Desk, device: Device, count: int = 3) -> None:
    desk.birth(device)
    for number in range(count):
        desk.sem(device, device.packet(CAPTIONS[number % 2]))


def test_a_job_becomes_a_clip_with_its_provenance(studio: Studio, desk: Desk, device: Device) -> None:
    film(desk, device)
    made = studio.ask(studio.segments()[1])
    assert (made.render, made.error) == ("done", None)
    assert made.clip is not None
    assert (made.clip.width, made.clip.height, made.clip.frames) == (64, 36, 10)
    statement = json.loads(made.clip.provenance)
    assert statement["camera"] == CAMERA_ID
    assert statement["packets"] == [0, 1, 2], "back to the refresh, and the next one"
    assert statement["renderer"] == "mean-1"


def test_the_clip_is_a_film_and_the_poster_a_picture(
    studio: Studio, desk: Desk, device: Device, tmp_path: Path
) -> None:
    film(desk, device)
    studio.ask(studio.segments()[0])
    (video,) = (tmp_path / "objects/clips").iterdir()
    with av.open(str(video)) as container:
        assert container.streams.video[0].frames == 10
        assert container.metadata["title"] == CAPTIONS[0]
        assert json.loads(container.metadata["comment"])["segment"] == 0
    (poster,) = (tmp_path / "objects/posters").iterdir()
    assert poster.read_bytes().startswith(b"\xff\xd8\xff")


def test_the_neighbours_are_given_to_the_renderer(
    studio: Studio, desk: Desk, device: Device, renderer: Recorder
) -> None:
    film(desk, device)
    for segment in studio.segments():
        studio.ask(segment)
    assert renderer.asked == [(0, None, 1), (1, 0, 2), (2, 1, None)]


def test_the_same_clip_is_not_made_twice(
    studio: Studio, desk: Desk, device: Device, renderer: Recorder
) -> None:
    film(desk, device)
    first = studio.ask(studio.segments()[0])
    assert studio.ask(first) == first
    assert len(renderer.asked) == 1


def test_a_clip_whose_file_is_gone_is_made_again(
    studio: Studio, desk: Desk, device: Device, tmp_path: Path
) -> None:
    film(desk, device)
    first = studio.ask(studio.segments()[0])
    (video,) = (tmp_path / "objects/clips").iterdir()
    before = video.read_bytes()
    video.unlink()
    studio.ask(first)
    (again,) = (tmp_path / "objects/clips").iterdir()
    assert again.read_bytes() == before


def test_a_segment_that_lacks_a_packet_says_so_and_is_made_when_it_comes(
    studio: Studio, desk: Desk, device: Device
) -> None:
    desk.birth(device)
    packets = [device.packet(CAPTIONS[0]) for _ in range(3)]
    desk.sem(device, packets[0])
    desk.sem(device, packets[2])
    failed = studio.ask(studio.segments()[1])
    assert (failed.render, failed.clip) == ("failed", None)
    assert failed.error == "packet 2 repeats what an earlier one said, which is not here"
    desk.sem(device, packets[1])
    assert studio.worker.work(), "the late packet has put it back into the queue"
    assert studio.catalog.segment(failed.id).render == "done"


def test_a_renderer_that_fails_is_a_reason_and_the_next_job_goes_on(
    store: Store, tmp_path: Path, bundle: Bundle, desk: Desk, device: Device
) -> None:
    studio = Studio(store, tmp_path / "objects", bundle, Broken())
    film(desk, device, 2)
    failed = [studio.ask(segment) for segment in studio.segments()]
    assert [segment.error for segment in failed] == [
        f"segment {number}: no such colour" for number in range(2)
    ]
    assert list((tmp_path / "objects").iterdir()) == []


def test_what_nobody_foresaw_fails_the_job_with_its_traceback_and_the_next_goes_on(
    store: Store, tmp_path: Path, bundle: Bundle, desk: Desk, device: Device
) -> None:
    class Surprising(MeanRenderer):
        def render(
            self,
            segment: Segment,
            context: Context,
            camera: CameraInfo,
            policy: Policy,
            seed: int,
            cancelled: Callable[[], bool] = never,
        ) -> NDArray[np.uint8]:
            if segment.sequence == 0:
                cv2.resize(np.zeros((0, 0), np.uint8), (1, 1))
            return super().render(segment, context, camera, policy, seed, cancelled)

    film(desk, device, 2)
    studio = Studio(store, tmp_path / "objects", bundle, Surprising())
    with structlog.testing.capture_logs() as logs:
        failed, made = (studio.ask(segment) for segment in studio.segments())
    assert (failed.render, made.render) == ("queued", "done"), "it is tried again"
    assert failed.error is not None
    assert failed.error.startswith("error: OpenCV")
    (entry,) = [entry for entry in logs if entry["event"] == "clip failed as nobody foresaw"]
    assert (entry["packet"], entry["exc_info"]) == (failed.id, True)


def test_a_store_that_fails_is_no_fault_of_the_job(
    store: Store, tmp_path: Path, bundle: Bundle, desk: Desk, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its supervisor starts the worker again, which then finds the job."""

    def refuse(*_: object) -> None:
        raise StoreError("no database")

    film(desk, device, 1)
    studio = Studio(store, tmp_path / "objects", bundle, MeanRenderer())
    monkeypatch.setattr(Shelf, "put", refuse)
    with pytest.raises(StoreError, match="no database"):
        studio.ask(studio.segments()[0])
    assert studio.segments()[0].render == "running"


def test_who_waits_comes_before_what_is_made_anyway(store: Store, bundle: Bundle, device: Device) -> None:
    desk = Desk(store, [bundle], render_all=True)
    film(desk, device, 4)
    with store.write() as session:
        jobs.enqueue(session, 3, NOW_MS, lane=Lane.LIVE)
        taken = [leases.take(session, "worker", NOW_MS + 10_000) for _ in range(5)]
    assert [lease and lease.packet_id for lease in taken] == [3, 1, 2, 4, None]


def test_the_newest_segment_waits_a_little_for_its_successor(
    store: Store, bundle: Bundle, device: Device, studio: Studio
) -> None:
    film(Desk(store, [bundle], render_all=True), device, 2)
    assert studio.worker.work()
    assert not studio.worker.work()
    studio.now_ms += 10_000
    assert studio.worker.work()


def test_a_job_that_was_cut_off_is_done_again_but_not_for_ever(
    studio: Studio, desk: Desk, device: Device
) -> None:
    film(desk, device, 1)
    segment = studio.segments()[0]
    with studio.store.write() as session:
        jobs.enqueue(session, segment.id, NOW_MS)
    for _ in range(MAX_ATTEMPTS):
        with studio.store.write() as session:
            assert leases.take(session, "worker", studio.now_ms), "the worker dies here"
        studio.now_ms += LEASE_MS
    assert not studio.worker.work()
    given_up = studio.catalog.segment(segment.id, Role.ADMIN)
    assert (given_up.render, given_up.error) == (
        "failed",
        "the worker stopped 5 times while rendering this",
    )


def test_the_shipped_bundle_makes_a_clip(store: Store, tmp_path: Path, tiny: Path) -> None:
    bundle = Bundle.load(tiny, "cloud")
    info = bundle.manifest.appearance
    assert info is not None
    desk = Desk(store, [bundle])
    device = Device(bundle, shape=(info.planes, *info.grid))
    film(desk, device, 2)
    objects = Objects(str(tmp_path / "objects"))
    worker = Worker(store, objects, Bundles([bundle]), Terms(), lambda: NOW_MS)
    with store.write() as session:
        jobs.enqueue(session, 1, NOW_MS)
    assert worker.work()
    made = Catalog(store).segment(1)
    assert (made.render, made.error) == ("done", None)
    assert made.clip is not None
    assert (made.clip.width, made.clip.height, made.clip.frames) == (256, 144, 10)


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=12k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("used", [8192, 12288])
def test_a_full_disk_delays_the_job_leaves_nothing_and_is_survived(
    store: Store, full_disk: Path, bundle: Bundle, desk: Desk, device: Device, used: int
) -> None:
    """The clip fits and its poster does not, or neither does."""
    studio = Studio(store, full_disk / "objects", bundle, MeanRenderer())
    film(desk, device, 1)
    filler = full_disk / "filler"
    filler.write_bytes(bytes(used))
    failed = studio.ask(studio.segments()[0])
    assert failed.render == "queued", "it is tried again"
    assert failed.error is not None
    assert "No space left on device" in failed.error
    assert [path for path in full_disk.rglob("*") if path.is_file()] == [filler]
    filler.unlink()
    assert not studio.worker.work(), "after a pause"
    studio.now_ms += pause_ms(1)
    assert studio.worker.work()
    assert studio.segments()[0].render == "done"


def test_a_job_that_ran_without_a_lease_before_leases_were_known_is_taken_up(
    studio: Studio, desk: Desk, device: Device
) -> None:
    film(desk, device, 1)
    with studio.store.write() as session:
        jobs.enqueue(session, 1, NOW_MS)
        session.execute(update(JobRow).values(state="running"))
    stop = threading.Event()
    thread = threading.Thread(target=studio.worker.run, args=(stop,), name="render")
    thread.start()
    try:
        until(lambda: studio.segments()[0].render == "done")
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive()


def test_a_worker_that_is_stopped_gives_up_at_the_next_step_and_queues_the_job_again(
    store: Store, tmp_path: Path, bundle: Bundle, desk: Desk, device: Device
) -> None:
    film(desk, device)
    renderer = CarryingRenderer()
    studio = Studio(store, tmp_path / "objects", bundle, renderer)
    asked = iter([False, True])
    left = studio.ask(studio.segments()[0], lambda: next(asked))
    assert renderer.steps == 1 < STEPS
    assert (left.render, left.error, left.clip) == ("queued", None, None)
    assert [path for path in (tmp_path / "objects").rglob("*") if path.is_file()] == []
    assert studio.worker.work(), "the job is still there"
    assert studio.segments()[0].render == "done"


def test_a_job_that_was_given_up_often_is_no_failure(
    store: Store, tmp_path: Path, bundle: Bundle, desk: Desk, device: Device
) -> None:
    film(desk, device)
    studio = Studio(store, tmp_path / "objects", bundle, CarryingRenderer())
    segment = studio.segments()[0]
    for _ in range(MAX_ATTEMPTS):
        assert studio.ask(segment, lambda: True).render == "queued"
    with store.write() as session:
        assert leases.take(session, "worker", NOW_MS), "the worker dies here"
    studio.now_ms += LEASE_MS
    assert studio.ask(segment).render == "done"


def test_stopping_the_worker_ends_what_it_renders(
    store: Store, tmp_path: Path, bundle: Bundle, desk: Desk, device: Device
) -> None:
    """The renderer goes on for as long as nobody stops it."""

    class Endless(CarryingRenderer):
        def render(
            self,
            segment: Segment,
            context: Context,
            camera: CameraInfo,
            policy: Policy,
            seed: int,
            cancelled: Callable[[], bool] = never,
        ) -> NDArray[np.uint8]:
            while not cancelled():
                self.steps += 1
            return super().render(segment, context, camera, policy, seed, cancelled)

    film(desk, device, 1)
    renderer = Endless()
    studio = Studio(store, tmp_path / "objects", bundle, renderer)
    with store.write() as session:
        jobs.enqueue(session, 1, NOW_MS)
    stop = threading.Event()
    thread = threading.Thread(target=studio.worker.run, args=(stop,), name="render")
    thread.start()
    until(lambda: renderer.steps > 0)
    assert studio.segments()[0].render == "running"
    stop.set()
    thread.join(60)
    assert not thread.is_alive()
    assert studio.segments()[0].render == "queued"
