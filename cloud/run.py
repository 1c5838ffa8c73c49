"""The cloud in one process: ingest, render and serve, each on its own thread, over one store.

broker --> ingest --> store <--> render --> objects
                        '--- serve (API, page) ---'
"""

import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import structlog

from cloud.api import Health, create_api
from cloud.bundles import Bundles, LoadRenderer
from cloud.clock import wall_ms
from cloud.config import Config
from cloud.crew import Crew
from cloud.inbox import Inbox
from cloud.index import Index
from cloud.ingest import Ingest
from cloud.intake import Intake
from cloud.objects import Objects
from cloud.render.load import load_renderer
from cloud.serve import listen, serve
from cloud.store import Store, StoreError
from cloud.viewing import Viewing
from cloud.worker import Worker
from wire.bundle import Bundle
from wire.envelope import PlainEnvelope

ROLES = frozenset({"ingest", "render", "serve"})

log = structlog.get_logger()


def run(
    config: Config,
    stop: threading.Event,
    *,
    roles: frozenset[str] = ROLES,
    load: LoadRenderer = load_renderer,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Run the named roles until `stop`; `ready` is told the page's address once that is listened on.

    What cannot work is found before anything starts: raises ConfigError, BundleError, StoreError,
    ObjectsError, ServeError. A broker that is not there is awaited.
    """
    loaded = [Bundle.load(Path(path), "cloud") for path in config.bundle.paths]
    bundles = Bundles(loaded, load, config.render.threads)
    with ExitStack() as stack:
        store = Store(config.store.url)
        stack.callback(store.close)
        cloud = _Cloud(config, store, Objects(config.store.objects), bundles)
        if "ingest" in roles:
            cloud.add_ingest()
        if "render" in roles:
            cloud.add_render()
        if "serve" in roles:
            cloud.add_serve(stack.enter_context(listen(config.serve.host, config.serve.port)))
        page = f"http://{config.serve.host}:{config.serve.port}/"
        log.info("cloud runs", roles=sorted(roles), page=page if "serve" in roles else None)
        if ready is not None:
            ready(page)
        cloud.crew.run(stop)


class _Cloud:
    """Composes the roles that this process has, and knows how they are."""

    def __init__(self, config: Config, store: Store, objects: Objects, bundles: Bundles) -> None:
        self.crew = Crew()
        self._config = config
        self._store = store
        self._objects = objects
        self._bundles = bundles
        self._ingest: Ingest | None = None

    def add_ingest(self) -> None:
        index = Index(self._bundles)
        with self._store.write() as session:
            index.heal_all(session, wall_ms())
        intake = Intake(index, render_all=self._config.render.policy == "all")
        inbox = Inbox(index, intake, PlainEnvelope())
        self._ingest = Ingest(self._config.broker, self._store, inbox)
        self.crew.add("ingest", self._ingest.run)

    def add_render(self) -> None:
        anchors = self._config.read_anchors()
        policy = self._config.render.constraints(anchors)
        worker = Worker(self._store, self._objects, self._bundles, policy, anchors=anchors)
        self.crew.add("render", worker.run)

    def add_serve(self, listening: socket.socket) -> None:
        from cloud.page.mount import mount  # NiceGUI takes seconds to load; other roles do without

        viewing = Viewing(self._store, self._objects)
        app = create_api(viewing, self.health)
        mount(app, viewing, self.health, f"{self._config.broker.host}:{self._config.broker.port}")
        self.crew.add("serve", lambda stop: serve(app, listening, stop))

    def health(self) -> Health:
        """Tell how all roles of this process are."""
        troubles = dict(self.crew.crashes)
        if self._ingest is not None and self._ingest.trouble is not None:
            troubles["broker"] = self._ingest.trouble
        try:
            self._store.check()
        except StoreError as error:
            troubles["store"] = str(error)
        counts = {} if self._ingest is None else self._ingest.counts
        messages = {outcome.value: count for outcome, count in counts.items()}
        return Health(ok=not troubles, troubles=troubles, messages=messages)
