"""Several workers in one process: each with a renderer of its own, and every job once."""

import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cloud import jobs
from cloud.catalog import Catalog
from cloud.config import Broker, BundlePaths, Config
from cloud.config_render import Render
from cloud.crew import Crew
from cloud.engine.start import Renderers
from cloud.objects import Objects
from cloud.render.load import load_renderer
from cloud.render.renderer import Context, never
from cloud.store import Store
from tests.bundles import CAPTIONS
from tests.cloud.desk import NOW_MS, Desk
from tests.cloud.sample import Device, MeanRenderer
from tests.cloud.studio import CAMERA_ID
from tests.cloud.waiting import until
from wire.bundle import Bundle
from wire.documents import CameraInfo
from wire.policy import Policy
from wire.segment import Segment

WORKERS = 3


class Own(MeanRenderer):
    """Remembers who used it; at first it waits until all workers have begun."""

    everyone = threading.Barrier(WORKERS)

    def __init__(self) -> None:
        self.users = set[str]()
        self.segments = list[int]()

    def render(
        self,
        segment: Segment,
        context: Context,
        camera: CameraInfo,
        policy: Policy,
        seed: int,
        cancelled: Callable[[], bool] = never,
    ) -> NDArray[np.uint8]:
        if not self.segments:
            self.everyone.wait(60)
        self.users.add(threading.current_thread().name)
        self.segments.append(segment.sequence)
        return super().render(segment, context, camera, policy, seed, cancelled)


def test_each_worker_has_a_renderer_of_its_own(
    store: Store, tmp_path: Path, bundle: Bundle, desk: Desk, device: Device
) -> None:
    desk.birth(device)
    for number in range(9):
        desk.sem(device, device.packet(CAPTIONS[number % 2], refresh=True))
    with store.write() as session:
        for packet_id in range(1, 10):
            jobs.enqueue(session, packet_id, NOW_MS)
    loaded = list[Own]()

    def load(_bundle: Bundle, _threads: int) -> Own:
        loaded.append(Own())
        return loaded[-1]

    config = Config(
        Broker("127.0.0.1", envelope="none"),
        BundlePaths((str(bundle.root),)),
        render=Render(long_side_px=64, workers=WORKERS),
    )
    crew, stop = Crew(), threading.Event()
    Renderers(config, store, Objects(str(tmp_path / "objects")), [bundle], load).add_to(crew)
    thread = threading.Thread(target=crew.run, args=(stop,), name="crew")
    thread.start()
    try:
        catalog = Catalog(store)
        until(lambda: {segment.render for segment in catalog.segments(CAMERA_ID)} == {"done"})
    finally:
        stop.set()
        thread.join(60)
    assert [len(renderer.users) for renderer in loaded] == [1] * WORKERS
    assert sorted(number for renderer in loaded for number in renderer.segments) == list(range(9))


def test_a_cluster_without_ray_says_what_to_install(
    store: Store, tmp_path: Path, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "cloud.engine.cluster", raising=False)
    config = Config(
        Broker("127.0.0.1", envelope="none"), BundlePaths((str(bundle.root),)), render=Render(engine="ray")
    )
    renderers = Renderers(config, store, Objects(str(tmp_path / "objects")), [bundle], load_renderer)
    with pytest.raises(ModuleNotFoundError, match="ray"):
        renderers.add_to(Crew())
