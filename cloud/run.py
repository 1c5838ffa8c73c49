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

from cloud.access.entry import Entry
from cloud.alert_routes import alert_routes
from cloud.alerts.book import Book
from cloud.alerts.watch import Watch
from cloud.alerts.webhooks import Webhooks
from cloud.anchor_routes import anchor_routes
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
from cloud.event_routes import event_routes
from cloud.events.herald import Herald
from cloud.events.publisher import Publisher
from cloud.fleet import Fleet
from cloud.fleet_routes import fleet_routes
from cloud.hls.films import Films
from cloud.hls.live import Live
from cloud.hls.recorded import Recorded
from cloud.hls.routes import routes
from cloud.identity.office import Office, application, settings_of
from cloud.inbox import Inbox
from cloud.ingest import Ingest
from cloud.job_routes import job_routes
from cloud.keep_routes import keep_routes
from cloud.limits import Gate
from cloud.look import ViewersLook
from cloud.looks import looks_of
from cloud.metrics.collected import ProcessCollector, StoreCollector
from cloud.metrics.exposition import exposed, port_of
from cloud.metrics.meters import Meters
from cloud.objects import Objects
from cloud.opening import Keyring, Opener, PlainOpener
from cloud.private_key import read_private_keys
from cloud.provenance.notary import Notary
from cloud.provenance.start import announce, notary_of
from cloud.provenance_routes import provenance_routes
from cloud.queue import Queue
from cloud.registry import Registry
from cloud.render.load import load_renderer
from cloud.retention.keeps import Keeps
from cloud.retention.pruner import Pruner
from cloud.rollouts.duty import Rollouts
from cloud.search import Search
from cloud.search_routes import search_routes
from cloud.serve import listen, serve
from cloud.signatures import Signers
from cloud.store import Store, StoreError
from cloud.thumb_routes import thumb_routes
from cloud.thumbs import Thumbs
from cloud.usage.budgets import Budgets
from cloud.usage.duty import UsageDuty
from cloud.usage.export import Reports
from cloud.usage.query import Usage
from cloud.usage.routes import usage_routes
from cloud.viewing import Viewing
from cloud.webhook_secrets import signers_of
from wire.bundle import Bundle

ROLES = frozenset({"ingest", "render", "serve"})  # of `mirage cloud run`; "derive" and "enrol" are more

log = structlog.get_logger()


def run(
    config: Config,
    stop: threading.Event,
    *,
    roles: frozenset[str] = ROLES,
    load: LoadRenderer = load_renderer,
    ready: Callable[[str], None] | None = None,
    credentials: str | None = None,
    metrics_port: int | None = None,
) -> None:
    """Run the named roles until `stop`; `ready` is told the page's address once that is listened on.

    `credentials` is the folder of what the service manager hands over, for keys called `credential:NAME`.
    Prometheus reads this process at `metrics_port`, or where the settings say.

    What cannot work is found before anything starts: raises ConfigError, BundleError, StoreError,
    ObjectsError, ServeError. A broker that is not there is awaited.
    """
    cloud_keys = _cloud_keys(config, credentials) if "ingest" in roles else None
    signers = signers_of(config, credentials) if "ingest" in roles else None
    notary = notary_of(config, credentials) if "render" in roles else None
    paths = () if roles == {"enrol"} else config.bundle.paths  # who only enrols needs no models
    loaded = [Bundle.load(Path(path), "cloud") for path in paths]
    with ExitStack() as stack:
        store = Store(config.store.url)
        stack.callback(store.close)
        objects = Objects(config.store.objects)
        if roles & {"render", "serve"}:  # the others only ever remove, and take packets without
            objects.check()
        cloud = _Cloud(config, store, objects, loaded, load)
        if signers is not None:
            cloud.add_ingest(cloud_keys, signers)
        if "derive" in roles:
            cloud.add_derive()
        if notary is not None:
            cloud.add_render(notary)
        if "enrol" in roles:
            office = Office(settings_of(config), application(config, store, credentials))
            stack.callback(office.close)
            cloud.crew.add("enrolment", office.run)
        if "serve" in roles:
            cloud.add_serve(stack.enter_context(listen(config.serve.host, config.serve.port)))
        if (port := metrics_port or port_of(config.metrics, roles)) is not None:
            cloud.measure(serves="serve" in roles)
            stack.enter_context(exposed(config.metrics.host, port, cloud.meters.registry))
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
        self.meters = Meters()
        self._config = config
        self._store = store
        self._objects = objects
        self._bundles = Bundles(loaded)
        self._loaded = loaded
        self._load = load
        self._looks = looks_of(config, store, objects)
        self._ingest: Ingest | None = None
        self._publisher: Publisher | None = None

    def add_ingest(self, cloud_keys: Sequence[X25519PrivateKey] | None, signers: Signers) -> None:
        """Take packets; `cloud_keys` open births, without them the broker is trusted. Calls are signed."""
        store, broker = self._store, self._config.broker
        with store.write() as session:
            heal(session)
        registry = Registry(store)
        opener: Opener = PlainOpener(registry) if cloud_keys is None else Keyring(store, wall_ms)
        downlink: Downlink = PlainDownlink() if cloud_keys is None else SealedDownlink(store)
        inbox = Inbox(store, registry, Births(store, registry, cloud_keys), opener)
        answering = Answering(store, downlink, broker.ack_interval_s)
        gate = Gate(self._config.limits)
        derivation = self._derivation()
        if self._config.events.enabled:
            self._publisher = Publisher(store, broker.client, self._config.events)
        self._ingest = Ingest(
            broker, store, inbox, gate, answering, derivation, meters=self.meters, publisher=self._publisher
        )
        self.crew.add("ingest", self._ingest.run)
        self.crew.add("webhooks", Webhooks(store, self._config.alerts, signers=signers).run)
        usage = UsageDuty(store, self._config.usage, events=self._config.events.enabled, signers=signers)
        self.crew.add("usage", usage.run)
        self.crew.add("rollouts", Rollouts(store).run)
        self.crew.add("retention", Pruner(store, self._objects, self._config.retention).run)

    def add_derive(self) -> None:
        self.crew.add("derive", self._derivation().run)

    def _derivation(self) -> Derivation:
        render_all = self._config.render.policy == "all"
        look = ViewersLook(self._looks)
        watch = Watch(Herald(self._config.events), look).see
        return Derivation(self._store, self._bundles, render_all=render_all, watch=watch, look=look)

    def add_render(self, notary: Notary) -> None:
        announce(notary, self._store)
        renderers = Renderers(
            self._config, self._store, self._objects, self._loaded, self._load, self.meters, notary
        )
        renderers.add_to(self.crew)

    def add_serve(self, listening: socket.socket) -> None:
        from cloud.page.alerts import mount_alerts
        from cloud.page.fleet import mount_fleet
        from cloud.page.fleet_spending import Spending
        from cloud.page.jobs import mount_jobs
        from cloud.page.mount import mount  # NiceGUI takes seconds to load; other roles do without
        from cloud.page.nav import Nav

        looks = self._looks
        viewing = Viewing(self._store, self._objects, looks=looks, anchors=looks.book)
        films = Films(self._objects)
        live = Live(self._store, films, meters=self.meters, looks=looks)
        app = create_api(viewing, self.health)
        app.include_router(routes(live, Recorded(self._store, films)))
        thumbs = Thumbs(self._store, self._objects, self._bundles, catalog=viewing.catalog, conditions=looks)
        app.include_router(thumb_routes(thumbs))
        app.include_router(anchor_routes(looks.book))
        search = Search(self._store, looks)
        app.include_router(search_routes(search))
        book = Book(self._store, self._config.alerts, looks=looks)
        app.include_router(alert_routes(book))
        app.include_router(event_routes(self._store))
        app.include_router(provenance_routes(self._store))
        app.include_router(keep_routes(Keeps(self._store)))
        usage = Usage(self._store, self._config.usage)
        budgets = Budgets(self._store, self._config.usage)
        app.include_router(usage_routes(usage, budgets, Reports(self._store, usage)))
        queue = Queue(self._store)
        app.include_router(job_routes(queue))
        fleet = Fleet(self._store, self._config.usage)
        app.include_router(fleet_routes(fleet))
        entry = Entry(self._config.serve, self._store)
        entry.add_routes(app)
        nav = Nav()
        mount_alerts(nav, book, viewing.catalog)
        mount_jobs(nav, queue)
        mount(app, nav, viewing, search, self.health, ":".join(map(str, self._config.broker.address)))
        mount_fleet(nav, fleet, Spending(self._store, self._config.usage))
        self.crew.add("live", live.run)
        guarded = entry.guarded(app)
        self.crew.add("serve", lambda stop: serve(guarded, listening, stop))

    def measure(self, *, serves: bool) -> None:
        """Let Prometheus see how this process is, and what the store has if it `serves`."""
        registry, crew = self.meters.registry, self.crew
        registry.register(
            ProcessCollector(self._store, self._messages, lambda: crew.crashes, lambda: crew.tasks)
        )
        if serves:
            budgets = Budgets(self._store, self._config.usage)
            registry.register(StoreCollector(self._store, self._config, budgets))

    def _messages(self) -> dict[str, int]:
        """Count what came, by outcome."""
        counts = {} if self._ingest is None else self._ingest.counts
        return {outcome.value: count for outcome, count in counts.items()}

    def health(self) -> Health:
        """Tell how all roles of this process are."""
        troubles = dict(self.crew.crashes)
        if self._ingest is not None and self._ingest.trouble is not None:
            troubles["broker"] = self._ingest.trouble
        if self._publisher is not None and self._publisher.trouble is not None:
            troubles["events"] = self._publisher.trouble
        try:
            self._store.check()
        except StoreError as error:
            troubles["store"] = str(error)
        return Health(ok=not troubles, troubles=troubles, messages=self._messages())
