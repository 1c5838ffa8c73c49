"""Starts the renderers that the settings ask for, as tasks of the process.

engine = "local"     workers = N    N threads, each with its own copy of the model: schedulers keep state
engine = "ray"       workers = N    at least N actors on the cluster, at most [ray] most_workers
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cloud.bundles import Bundles, LoadRenderer
from cloud.confidence.assessor import Assessor
from cloud.config import Config
from cloud.crew import Crew
from cloud.engine.bounds import Bounds
from cloud.events.herald import Herald
from cloud.look import ViewersLook
from cloud.looks import looks_of
from cloud.metrics.meters import Meters
from cloud.objects import Objects
from cloud.provenance.notary import UNSIGNED, Notary
from cloud.store import Store
from cloud.worker import Worker, worker_name
from wire.bundle import Bundle

if TYPE_CHECKING:
    from cloud.engine.remote import Host


class Renderers:
    """Adds them to a crew. Raises ConfigError for what cannot be read."""

    def __init__(
        self,
        config: Config,
        store: Store,
        objects: Objects,
        bundles: Sequence[Bundle],
        load: LoadRenderer,
        meters: Meters | None = None,
        notary: Notary = UNSIGNED,
    ) -> None:
        self._config = config
        self._store = store
        self._objects = objects
        self._bundles = bundles
        self._load = load
        self._meters = meters
        self._notary = notary
        self._looks = looks_of(config, store, objects)

    def add_to(self, crew: Crew) -> None:
        """Add what renders. Raises EngineError without the cluster, ModuleNotFoundError without Ray."""
        if self._config.render.engine == "ray":
            self._add_ray(crew)
            return
        for number in range(self._config.render.workers):
            crew.add(f"render-{number}", self._worker(number, self._load).run)

    def _add_ray(self, crew: Crew) -> None:
        from cloud.engine.cluster import Fleet, connect  # Ray is an extra, and takes seconds to load
        from cloud.engine.remote import Place

        render, ray = self._config.render, self._config.ray
        connect(ray.address)
        paths = [str(bundle.root) for bundle in self._bundles]
        place = Place(ray.cpus_each, ray.gpus_each, paths, render.threads, self._load)

        def make(number: int, host: "Host") -> Worker:
            return self._worker(number, host.renderer)

        fleet = Fleet(self._store, place, make, Bounds(render.workers, max(render.workers, ray.most_workers)))
        crew.add("render", fleet.run)

    def _worker(self, number: int, load: LoadRenderer) -> Worker:
        bundles = Bundles(self._bundles, load, self._config.render.threads)
        announce = Herald(self._config.events, ViewersLook(self._looks)).rendered
        return Worker(
            self._store, self._objects, bundles, self._looks,
            name=worker_name(number), meters=self._meters, announce=announce,
            notary=self._notary, assessor=Assessor() if self._config.provenance.confidence else None,
        )  # fmt: skip
