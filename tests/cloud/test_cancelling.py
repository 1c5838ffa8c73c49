"""Jobs that nobody waits for any more: not started, or given up within a step, and asked for again."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cloud import jobs, leases
from cloud.cancelling import LOOK_MS, Cancelled
from cloud.leases import Lease
from cloud.render.renderer import Context, never
from cloud.store import Store
from tests.bundles import CAPTIONS
from tests.cloud.desk import NOW_MS, Desk
from tests.cloud.sample import STEPS, CarryingRenderer, Device
from tests.cloud.studio import Studio
from wire.bundle import Bundle
from wire.documents import CameraInfo
from wire.policy import Policy
from wire.segment import Segment


class Interrupted(CarryingRenderer):
    """Calls `interrupt` once, in its first step, which takes as long as it takes to look again."""

    def __init__(self, interrupt: Callable[[], object]) -> None:
        super().__init__()
        self.interrupt = interrupt

    def render(
        self,
        segment: Segment,
        context: Context,
        camera: CameraInfo,
        policy: Policy,
        seed: int,
        cancelled: Callable[[], bool] = never,
    ) -> NDArray[np.uint8]:
        def asked() -> bool:
            if self.steps == 1:
                self.interrupt()
            return cancelled()

        return super().render(segment, context, camera, policy, seed, asked)


@pytest.fixture
def filmed(desk: Desk, device: Device) -> Device:
    desk.birth(device)
    for number in range(2):
        desk.sem(device, device.packet(CAPTIONS[number]))
    return device


def asked_for(store: Store, *packet_ids: int) -> None:
    with store.write() as session:
        for packet_id in packet_ids:
            jobs.enqueue(session, packet_id, NOW_MS)


def taken(store: Store) -> Lease:
    with store.write() as session:
        lease = leases.take(session, "worker", NOW_MS)
    assert lease is not None
    return lease


def cancel(store: Store, packet_id: int) -> bool:
    with store.write() as session:
        return jobs.cancel(session, packet_id, NOW_MS)


@pytest.mark.usefixtures("filmed")
def test_a_job_that_waits_is_never_started(store: Store, tmp_path: Path, bundle: Bundle) -> None:
    renderer = CarryingRenderer()
    studio = Studio(store, tmp_path / "objects", bundle, renderer)
    asked_for(store, 1, 2)
    assert cancel(store, 1)
    assert studio.worker.work()
    assert not studio.worker.work()
    assert [segment.render for segment in studio.segments()] == ["cancelled", "done"]
    assert len(renderer.carried) == 1


@pytest.mark.usefixtures("filmed")
def test_what_is_not_open_cannot_be_cancelled(store: Store, tmp_path: Path, bundle: Bundle) -> None:
    studio = Studio(store, tmp_path / "objects", bundle, CarryingRenderer())
    assert not cancel(store, 1)
    studio.ask(studio.segments()[0])
    assert not cancel(store, 1)
    assert studio.segments()[0].render == "done"


@pytest.mark.usefixtures("filmed")
def test_a_job_that_runs_ends_within_a_step_and_can_be_asked_for_again(
    store: Store, tmp_path: Path, bundle: Bundle
) -> None:
    def interrupt() -> None:
        cancel(store, 1)
        studio.now_ms += LOOK_MS

    renderer = Interrupted(interrupt)
    studio = Studio(store, tmp_path / "objects", bundle, renderer)
    asked_for(store, 1)
    assert studio.worker.work()
    assert renderer.steps == 1 < STEPS
    assert [path for path in (tmp_path / "objects").rglob("*") if path.is_file()] == []
    left = studio.segments()[0]
    assert (left.render, left.error, left.clip) == ("cancelled", None, None)
    assert not studio.worker.work()
    renderer.steps = 2
    assert studio.ask(left).render == "done"


@pytest.mark.usefixtures("filmed")
def test_a_job_that_is_cancelled_and_asked_for_again_while_it_runs_is_done(
    store: Store, tmp_path: Path, bundle: Bundle
) -> None:
    def interrupt() -> None:
        cancel(store, 1)
        asked_for(store, 1)
        studio.now_ms += LOOK_MS

    renderer = Interrupted(interrupt)
    studio = Studio(store, tmp_path / "objects", bundle, renderer)
    asked_for(store, 1)
    assert studio.worker.work()
    assert studio.segments()[0].render == "queued"
    renderer.steps = 2  # nobody interrupts it again
    assert studio.worker.work()
    assert studio.segments()[0].render == "done"


@pytest.mark.usefixtures("filmed")
def test_a_cancelled_job_that_fails_before_it_notices_stays_cancelled(
    store: Store, tmp_path: Path, bundle: Bundle
) -> None:
    def interrupt() -> None:
        cancel(store, 1)
        raise ValueError("too late to matter")

    studio = Studio(store, tmp_path / "objects", bundle, Interrupted(interrupt))
    asked_for(store, 1)
    assert studio.worker.work()
    assert (studio.segments()[0].render, studio.segments()[0].error) == ("cancelled", None)


@pytest.mark.usefixtures("filmed")
def test_the_store_is_looked_into_twice_a_second_at_most(store: Store) -> None:
    now_ms = NOW_MS
    asked_for(store, 1)
    cancelled = Cancelled(store, taken(store), lambda: now_ms, never)
    assert not cancelled()
    cancel(store, 1)
    now_ms += LOOK_MS - 1
    assert not cancelled(), "not looked again yet"
    now_ms += 1
    assert cancelled()


@pytest.mark.usefixtures("filmed")
def test_a_clock_that_is_set_back_delays_no_look(store: Store) -> None:
    now_ms = NOW_MS
    asked_for(store, 1)
    cancelled = Cancelled(store, taken(store), lambda: now_ms, never)
    assert not cancelled()
    cancel(store, 1)
    now_ms -= 3_600_000
    assert cancelled()


def test_a_store_that_does_not_answer_cancels_nothing(store: Store, tmp_path: Path) -> None:
    lease = Lease(packet_id=1, camera_id=1, turn=1, fence=1, attempt=1)
    cancelled = Cancelled(store, lease, lambda: NOW_MS, never)
    (tmp_path / "store.db").write_bytes(b"no database")
    assert not cancelled()
    assert Cancelled(store, lease, lambda: NOW_MS, lambda: True)(), "but who is told to stop stops"
