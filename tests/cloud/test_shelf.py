"""What is kept of clips: nothing that no clip names any more, and no degraded one for the full one."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import select

from cloud import jobs
from cloud.objects import Objects, ObjectsError
from cloud.render.clip import fingerprint
from cloud.render.renderer import Context, never
from cloud.schema import ClipRow
from cloud.shelf import KEPT_TAILS, STANDS_IN_MS
from cloud.store import Store
from cloud.viewing import Viewing
from tests.bundles import CAPTIONS
from tests.cloud.desk import Desk
from tests.cloud.sample import CarryingRenderer, Device
from tests.cloud.studio import Studio
from wire.bundle import Bundle
from wire.documents import CameraInfo
from wire.policy import Policy
from wire.segment import Segment


class ShortOfMemory(CarryingRenderer):
    """Renders smaller while `short`."""

    short = True

    def render(
        self,
        segment: Segment,
        context: Context,
        camera: CameraInfo,
        policy: Policy,
        seed: int,
        cancelled: Callable[[], bool] = never,
    ) -> NDArray[np.uint8]:
        if self.short:
            context.degraded("half the size")
        return super().render(segment, context, camera, policy, seed, cancelled)


@pytest.fixture
def renderer() -> ShortOfMemory:
    return ShortOfMemory()


@pytest.fixture
def studio(store: Store, tmp_path: Path, bundle: Bundle, renderer: ShortOfMemory) -> Studio:
    return Studio(store, tmp_path / "objects", bundle, renderer)


def film(desk: Desk, device: Device, count: int) -> None:
    desk.birth(device)
    for number in range(count):
        desk.sem(device, device.packet(CAPTIONS[number % 2]))


def objects(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "objects").rglob("*") if path.is_file())


def test_a_degraded_clip_says_so_and_is_not_taken_for_the_full_one(
    studio: Studio, desk: Desk, device: Device, renderer: ShortOfMemory
) -> None:
    film(desk, device, 1)
    less = studio.ask(studio.segments()[0])
    said = studio.statement(less)
    assert said["degraded"] == "half the size"
    assert less.clip is not None
    assert less.clip.degraded == "half the size"
    renderer.short = False
    studio.now_ms += STANDS_IN_MS
    full = studio.ask(less)
    assert full.clip is not None
    assert full.clip.degraded is None
    without = {key: value for key, value in said.items() if key != "degraded"}
    assert studio.statement(full) == without
    assert fingerprint(said) != fingerprint(without)


def test_a_degraded_clip_stands_in_for_a_while(
    studio: Studio, desk: Desk, device: Device, renderer: ShortOfMemory
) -> None:
    film(desk, device, 1)
    segment = studio.segments()[0]
    for _ in range(3):
        studio.ask(segment)
    assert len(renderer.carried) == 1
    studio.now_ms += STANDS_IN_MS
    for _ in range(3):
        assert studio.ask(segment).render == "done"
    assert len(renderer.carried) == 2, "it lacked memory again, and stands in again"


def test_who_looks_at_a_degraded_clip_later_has_it_rendered_again(
    studio: Studio, desk: Desk, device: Device
) -> None:
    film(desk, device, 1)
    viewing = Viewing(studio.store, studio.objects, lambda: studio.now_ms)
    studio.ask(studio.segments()[0])
    assert viewing.ask(1).render == "done"
    studio.now_ms += STANDS_IN_MS
    assert viewing.ask(1).render == "queued"


def test_a_clip_that_goes_on_from_a_degraded_one_names_that(
    studio: Studio, desk: Desk, device: Device, renderer: ShortOfMemory
) -> None:
    film(desk, device, 2)
    first, second = studio.segments()
    studio.ask(first)
    renderer.short = False
    studio.ask(second)
    one, other = studio.statements()
    assert one["degraded"] == "half the size"
    assert other["continues"] == fingerprint(one)
    assert "degraded" not in other


def test_a_clip_that_replaces_another_leaves_nothing_of_it(
    studio: Studio, desk: Desk, device: Device, renderer: ShortOfMemory, tmp_path: Path
) -> None:
    film(desk, device, 2)
    renderer.short = False
    first, second = studio.segments()
    studio.ask(second)
    before = set(objects(tmp_path))
    studio.ask(first)
    studio.ask(second)
    names = {fingerprint(statement) for statement in studio.statements()}
    assert len(names) == 2
    left = objects(tmp_path)
    assert len(left) == 2 * len((".mp4", ".jpg", ".png"))
    assert {name.split("-")[0] for name in left} == names
    assert not before & set(objects(tmp_path))


def test_objects_that_cannot_be_removed_cost_no_clip(
    studio: Studio, desk: Desk, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_objects: Objects, _keys: object) -> None:
        raise ObjectsError("read-only")

    film(desk, device, 2)
    first, second = studio.segments()
    studio.ask(second)
    monkeypatch.setattr(Objects, "remove", refuse)
    studio.ask(first)
    assert studio.ask(second).render == "done"
    assert studio.statements()[1]["continues"] is not None


def test_tails_of_a_camera_are_few_and_clips_stay(
    studio: Studio, desk: Desk, device: Device, renderer: ShortOfMemory, tmp_path: Path
) -> None:
    film(desk, device, KEPT_TAILS + 3)
    renderer.short = False
    for segment in studio.segments():
        studio.ask(segment)
    tails = {path.stem.split("-")[0] for path in (tmp_path / "objects/tails").iterdir()}
    assert tails == {fingerprint(statement) for statement in studio.statements()[-KEPT_TAILS:]}
    assert len(list((tmp_path / "objects/clips").iterdir())) == KEPT_TAILS + 3
    made = len(renderer.carried)
    for segment in studio.segments():
        studio.ask(segment)
    assert len(renderer.carried) == made, "clips whose tails are gone are the same still"


def test_a_clip_whose_predecessor_left_no_tail_any_more_begins_anew_once(
    studio: Studio, desk: Desk, device: Device, renderer: ShortOfMemory, tmp_path: Path
) -> None:
    film(desk, device, KEPT_TAILS + 3)
    renderer.short = False
    for segment in studio.segments():
        studio.ask(segment)
    second = studio.segments()[1]
    (video,) = (tmp_path / "objects/clips").glob(f"{fingerprint(studio.statement(second))}-*.mp4")
    video.unlink()
    for _ in range(2):
        assert studio.ask(second).render == "done"
    assert studio.statement(second)["continues"] is None
    assert renderer.carried[KEPT_TAILS + 3 :] == [None]


def test_tails_of_another_camera_stay(studio: Studio, desk: Desk, bundle: Bundle) -> None:
    other = Device(bundle, name="jetson-2")
    film(desk, other, 1)
    with studio.store.write() as session:
        jobs.enqueue(session, 1, studio.now_ms)
    assert studio.worker.work()
    film(desk, Device(bundle), KEPT_TAILS + 1)
    for segment in studio.segments():
        studio.ask(segment)
    with studio.store.read() as session:
        kept = session.scalars(select(ClipRow.packet_id).where(ClipRow.tail_key.is_not(None))).all()
    assert sorted(kept) == [1, *range(3, KEPT_TAILS + 3)]
