"""Clips a second of the shipped renderer: in this process, and on Ray actors of this machine.

Each job is a whole one: packets from the store, rendering, H.264, poster, object, commit.
"""

import contextlib
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from cloud import jobs
from cloud.config import Broker, BundlePaths, Config, Ray, StorePlace
from cloud.config_render import Render
from cloud.crew import Crew
from cloud.engine.start import Renderers
from cloud.objects import Objects
from cloud.render.load import load_renderer
from cloud.store import Store
from mirage.bench.cloud.stock import fill_with_recording
from mirage.bench.render import encoded
from mirage.bundles import bundle_folder
from mirage.errors import DemoError
from mirage.recordings import Opened

_WORKERS = (1, 2)
_TIMEOUT_S = 900.0
_POLL_S = 0.05


def measure(bundle: Path | None, copies: int, done: Callable[[], None]) -> dict[str, object]:
    """Render a recording `copies` times in each way; `done` is called after each."""
    opened = encoded(bundle_folder(bundle))
    results: dict[str, object] = {"segments": copies * len(opened.recording.packets)}
    for workers in _WORKERS:
        results[f"local_workers_{workers}"] = _rate(opened, copies, Render(workers=workers))
        done()
    try:
        for workers in _WORKERS:
            results[f"ray_workers_{workers}"] = _rate(opened, copies, Render(engine="ray", workers=workers))
            done()
    except ModuleNotFoundError as error:
        return results | {"ray": f"{error.name} is not installed: pip install 'mirage-video[cluster]'"}
    finally:
        _leave_cluster()
    return results


def _rate(opened: Opened, copies: int, render: Render) -> dict[str, float]:
    """Measure once a third is done: loading a model comes once, and is told apart."""
    with tempfile.TemporaryDirectory(prefix="mirage-bench-") as folder:
        store = Store(f"sqlite:///{folder}/store.db")
        wanted = fill_with_recording(store, opened, copies)
        started_s = time.perf_counter()
        with at_work(store, Path(folder) / "objects", opened, render):
            await_jobs(store, 1)
            first_s = time.perf_counter()
            warm = await_jobs(store, wanted // 3)
            warm_s = time.perf_counter()
            await_jobs(store, wanted)
            last_s = time.perf_counter()
        store.close()
    return {"clips_per_s": (wanted - warm) / (last_s - warm_s), "first_clip_s": first_s - started_s}


@contextlib.contextmanager
def at_work(store: Store, folder: Path, opened: Opened, render: Render) -> Iterator[None]:
    """Have workers render what the store's queue holds, into `folder`, while the body runs."""
    config = Config(
        broker=Broker("127.0.0.1", envelope="none"),
        bundle=BundlePaths((str(opened.bundle.root),)),
        store=StorePlace(),
        render=render,
        ray=Ray(address="local", most_workers=render.workers),
    )
    crew, stop = Crew(), threading.Event()
    Renderers(config, store, Objects(str(folder)), [opened.bundle], load_renderer).add_to(crew)
    thread = threading.Thread(target=crew.run, args=(stop,), name="crew")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def await_jobs(store: Store, count: int) -> int:
    """Wait until `count` jobs are done, and give how many are."""
    end_s = time.perf_counter() + _TIMEOUT_S
    while True:
        with store.read() as session:
            counts = jobs.counts(session)
        if counts["dead"] or time.perf_counter() > end_s:
            raise DemoError(f"jobs do not end as they should: {counts}")
        if counts["done"] >= count:
            return counts["done"]
        time.sleep(_POLL_S)


def _leave_cluster() -> None:
    with contextlib.suppress(ModuleNotFoundError):
        import ray

        ray.shutdown()
