"""The cloud in one process: ingest, render and serve, each on its own thread, over one store.

broker --> ingest --> store <--> render --> objects
                        '--- serve (API, page) ---'

Ingest also derives what packets say; where that is too much for it, processes that do nothing else help.
"""

import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from cloud.answering import Answering
from cloud.api import Health, create_api
from cloud.births import Births, heal
from cloud.bundles import Bundles, LoadRenderer
from cloud.clock import wall_ms
from cloud.config import Config
from cloud.crew import Crew
from cloud.derivation import Derivation
from cloud.downlink import Downlink, PlainDownlink, SealedDownlink
from cloud.engine.start import Renderers
from cloud.hls.films import Films
from cloud.hls.live import Live
from cloud.hls.recorded import Recorded
from cloud.hls.routes import routes
from cloud.inbox import Inbox
from cloud.ingest import Ingest
from cloud.limits import Gate
from cloud.objects import Objects
from cloud.opening import Keyring, Opener, PlainOpener
from cloud.private_key import read_private_keys
from cloud.registry import Registry
from cloud.render.load import load_renderer
from cloud.search import Search
from cloud.search_routes import search_routes
from cloud.serve import listen, serve
from cloud.store import Store, StoreError
from cloud.thumb_routes import thumb_routes
from cloud.thumbs import Thumbs
from cloud.viewing import Viewing
from wire.bundle import Bundle

ROLES = frozenset({"ingest", "render", "serve"})  # of `mirage cloud run`; "derive" is one more

log = structlog.get_logger()


def run(
    config: Config,
    stop: threading.Event,
    *,
    roles: frozenset[str] = ROLES,
    load: LoadRenderer = load_renderer,
    ready: Callable[[str], None] | None = None,
    credentials: str | None = None,
) -> None:
    """Run the named roles until `stop`; `ready` is told the page's address once that is listened on.

    `credentials` is the folder of what the service manager hands over, for keys called `credential:NAME`.

    What cannot work is found before anything starts: raises ConfigError, BundleError, StoreError,
    ObjectsError, ServeError. A broker that is not there is awaited.
    """
    cloud_keys = _cloud_keys(config, credentials) if "ingest" in roles else None
    loaded = [Bundle.load(Path(path), "cloud") for path in config.bundle.paths]
    with ExitStack() as stack:
        store = Store(config.store.url)
        stack.callback(store.close)
        cloud = _Cloud(config, store, Objects(config.store.objects), loaded, load)
        if "ingest" in roles:
            cloud.add_ingest(cloud_keys)
        if "derive" in roles:
            cloud.add_derive()
        if "render" in roles:
            cloud.add_render()
        if "serve" in roles:
            cloud.add_serve(stack.enter_context(listen(config.serve.host, config.serve.port)))
        page = f"http://{config.serve.host}:{config.serve.port}/"
        log.info("cloud runs", roles=sorted(roles), page=page if "serve" in roles else None)
        if ready is not None:
            ready(page)
        cloud.crew.run(stop)


def _cloud_keys(config: Config, credentials: str | None) -> list[X25519PrivateKey] | None:
    if config.broker.envelope == "none":
        log.warning("envelope none: nothing is sealed or signed, whoever reaches the broker is believed")
        return None
    return read_private_keys((config.security.key, *config.security.old_keys), credentials)


class _Cloud:
    """Composes the roles that this process has, and knows how they are."""

    def __init__(
        self,
        config: Config,
        store: Store,
        objects: Objects,
        loaded: Sequence[Bundle],
        load: LoadRenderer,
    ) -> None:
        self.crew = Crew()
        self._config = config
        self._store = store
        self._objects = objects
        self._bundles = Bundles(loaded)
        self._loaded = loaded
        self._load = load
        self._ingest: Ingest | None = None

    def add_ingest(self, cloud_keys: Sequence[X25519PrivateKey] | None) -> None:
        """Take packets; `cloud_keys` open births, without them the broker is trusted."""
        store, broker = self._store, self._config.broker
        with store.write() as session:
            heal(session)
        registry = Registry(store)
        opener: Opener = PlainOpener(registry) if cloud_keys is None else Keyring(store, wall_ms)
        downlink: Downlink = PlainDownlink() if cloud_keys is None else SealedDownlink(store)
        inbox = Inbox(store, registry, Births(store, registry, cloud_keys), opener)
        answering = Answering(store, downlink, broker.ack_interval_s)
        gate = Gate(self._config.limits)
        self._ingest = Ingest(broker, store, inbox, gate, answering, self._derivation())
        self.crew.add("ingest", self._ingest.run)

    def add_derive(self) -> None:
        self.crew.add("derive", self._derivation().run)

    def _derivation(self) -> Derivation:
        render_all = self._config.render.policy == "all"
        return Derivation(self._store, self._bundles, render_all=render_all)

    def add_render(self) -> None:
        Renderers(self._config, self._store, self._objects, self._loaded, self._load).add_to(self.crew)

    def add_serve(self, listening: socket.socket) -> None:
        from cloud.page.mount import mount  # NiceGUI takes seconds to load; other roles do without

        viewing = Viewing(self._store, self._objects)
        films = Films(self._objects)
        live = Live(self._store, films)
        app = create_api(viewing, self.health)
        app.include_router(routes(live, Recorded(self._store, films)))
        app.include_router(thumb_routes(Thumbs(self._store, self._objects, self._bundles)))
        search = Search(self._store)
        app.include_router(search_routes(search))
        mount(app, viewing, search, self.health, ":".join(map(str, self._config.broker.address)))
        self.crew.add("live", live.run)
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
