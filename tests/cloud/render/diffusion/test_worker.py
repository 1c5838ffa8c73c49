"""The worker with a real pipeline: clips go on from each other, and a stop is heeded between two steps."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from cloud import jobs
from cloud.bundles import Bundles
from cloud.catalog import Catalog
from cloud.objects import Objects
from cloud.render.clip import fingerprint
from cloud.render.load import load_renderer
from cloud.render.renderer import Context, Renderer, never
from cloud.render.seam import seam
from cloud.store import Store
from cloud.terms import Terms
from cloud.worker import Worker
from tests.bundles import CAPTIONS
from tests.cloud.desk import NOW_MS, Desk
from tests.cloud.sample import Device
from tests.cloud.studio import Studio
from wire.bundle import Bundle
from wire.documents import CameraInfo
from wire.policy import Policy
from wire.segment import Segment

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:diffusers", "ignore::FutureWarning")


class Watched:
    """Keeps what a renderer made."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer
        self.name, self.carries = renderer.name, renderer.carries
        self.made: list[NDArray[np.uint8]] = []

    def render(
        self,
        segment: Segment,
        context: Context,
        camera: CameraInfo,
        policy: Policy,
        seed: int,
        cancelled: Callable[[], bool] = never,
    ) -> NDArray[np.uint8]:
        self.made.append(self._renderer.render(segment, context, camera, policy, seed, cancelled))
        return self.made[-1]


@pytest.fixture
def watched(ltx_bundle: Bundle) -> Watched:
    return Watched(load_renderer(ltx_bundle, threads=1))


@pytest.fixture
def studio(store: Store, tmp_path: Path, ltx_bundle: Bundle, watched: Watched) -> Studio:
    """Film two seconds of a scene, in two segments."""
    desk, device = Desk(store, [ltx_bundle]), Device(ltx_bundle)
    desk.birth(device)
    for caption in CAPTIONS[:2]:
        desk.sem(device, device.packet(caption))
    return Studio(store, tmp_path / "objects", ltx_bundle, watched)


def test_a_clip_goes_on_from_the_last_frames_of_the_one_before(studio: Studio, tmp_path: Path) -> None:
    first, second = (studio.ask(segment) for segment in studio.segments())
    assert (first.error, second.error) == (None, None)
    made = fingerprint(studio.statement(first))
    assert studio.statement(second)["continues"] == made
    (path,) = (tmp_path / "objects" / "tails").glob(f"{made}-*.png")
    kept = cv2.imread(str(path))
    assert kept is not None
    assert kept.shape == (9 * 36, 64, 3), "LTX-Video goes on from nine"
    assert second.clip is not None
    assert second.clip.seam is not None


def test_the_seam_of_a_clip_that_goes_on_is_smaller_than_that_of_one_that_begins_anew(
    studio: Studio, watched: Watched
) -> None:
    first, second = studio.segments()
    studio.ask(second)
    studio.ask(first)
    measured = studio.ask(second).clip
    assert measured is not None
    anew, before, after = watched.made
    assert measured.seam == round(seam(before[-9:], after), 3)
    assert measured.seam < seam(before[-9:], anew)


def test_a_stop_is_heeded_at_the_next_step(studio: Studio, tmp_path: Path) -> None:
    asked: list[int] = []

    def cancelled() -> bool:
        asked.append(1)
        return len(asked) > 1

    left = studio.ask(studio.segments()[0], cancelled)
    assert (left.render, left.clip) == ("queued", None)
    assert len(asked) == 2, "not asked again after it said so"
    assert [path for path in (tmp_path / "objects").rglob("*") if path.is_file()] == []
    assert studio.worker.work()
    assert studio.segments()[0].render == "done"


def test_the_worker_loads_the_renderer_that_the_bundle_names(
    studio: Studio, tmp_path: Path, ltx_bundle: Bundle
) -> None:
    other = tmp_path / "others"
    terms = Terms.of(studio.policy)
    worker = Worker(studio.store, Objects(str(other)), Bundles([ltx_bundle]), terms, lambda: NOW_MS)
    with studio.store.write() as session:
        jobs.enqueue(session, 1, NOW_MS)
    assert worker.work()
    made = Catalog(studio.store).segment(1)
    assert made.clip is not None, made.error
    assert '"renderer":"diffusers ' in made.clip.provenance
