"""Consecutive segments of a camera go to the worker that has it, where that is free. On both databases."""

from pathlib import Path

from sqlalchemy import select

from cloud import jobs
from cloud.bundles import Bundles
from cloud.objects import Objects
from cloud.schema import CameraRow, JobRow, PacketRow
from cloud.store import Store
from cloud.terms import Terms
from cloud.worker import Worker
from tests.bundles import CAPTIONS
from tests.cloud.desk import NOW_MS, Desk
from tests.cloud.sample import CAMERA, Device, MeanRenderer
from wire.bundle import Bundle
from wire.documents import CameraInfo
from wire.policy import Policy

YARD = CameraInfo(name="yard", width=640, height=480, fps=10.0)


def film(store: Store, bundle: Bundle, count: int) -> None:
    """Have segments of two cameras rendered, that were seen by turns."""
    desk, device = Desk(store, [bundle]), Device(bundle, cameras=(CAMERA, YARD))
    desk.birth(device)
    for number in range(count):
        for camera in ("gate", "yard"):
            desk.sem(device, device.packet(CAPTIONS[number % 2], camera=camera), camera)
    with store.write() as session:
        for packet_id in session.scalars(select(PacketRow.id).order_by(PacketRow.sequence)):
            jobs.enqueue(session, packet_id, NOW_MS)


def worker(store: Store, folder: Path, bundle: Bundle, name: str) -> Worker:
    bundles = Bundles([bundle], lambda _bundle, _threads: MeanRenderer())
    policy = Policy(long_side_px=64)
    return Worker(store, Objects(str(folder)), bundles, Terms.of(policy), lambda: NOW_MS, name=name)


def workers_of(store: Store, camera: str) -> list[str | None]:
    """Give who rendered a camera's segments, in their order."""
    query = select(JobRow.worker).join(PacketRow, PacketRow.id == JobRow.packet_id)
    query = query.join(CameraRow, CameraRow.id == PacketRow.camera_id).where(CameraRow.name == camera)
    with store.read() as session:
        return list(session.scalars(query.order_by(PacketRow.sequence)))


def test_each_camera_stays_with_one_worker_whoever_is_free_first(
    any_store: Store, tmp_path: Path, bundle: Bundle
) -> None:
    film(any_store, bundle, 4)
    one, other = (worker(any_store, tmp_path / "objects", bundle, name) for name in ("one", "other"))
    for each in (one, other, other, one, one, other, other, one):
        assert each.work()
    assert workers_of(any_store, "gate") == ["one"] * 4
    assert workers_of(any_store, "yard") == ["other"] * 4


def test_a_worker_that_is_busy_holds_nothing_up(any_store: Store, tmp_path: Path, bundle: Bundle) -> None:
    film(any_store, bundle, 2)
    one, other = (worker(any_store, tmp_path / "objects", bundle, name) for name in ("one", "other"))
    assert one.work()
    for _ in range(3):
        assert other.work(), "the other one of its camera is away"
    assert not one.work()
    assert workers_of(any_store, "gate") == ["one", "other"]
    assert workers_of(any_store, "yard") == ["other", "other"]
