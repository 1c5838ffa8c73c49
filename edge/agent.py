"""The edge agent: cameras in, packets out.

    capture-NAME --.
    capture-NAME --+--> Inbox --> describe --> Spool --> uplink --> broker
    capture-NAME --'    bounded      ^        on disk    ^-- ack, cmd --'
                                     '-- commands <------'

The halves share only the spool, so a slow network never stalls a camera, and a stalled camera never
holds the connection. Every part is a named thread; the first that fails stops the process.
"""

import time
from functools import partial
from itertools import count
from pathlib import Path
from threading import Event

import structlog

from edge import outfit
from edge.camera import is_live
from edge.cameras import Cameras, Openers
from edge.clock import BootClock
from edge.commands import Commands
from edge.config import CameraSource, Config
from edge.crew import Crew
from edge.describer import Describer
from edge.identity import Identity
from edge.inbox import Captured, Inbox
from edge.links import infos
from edge.outfit import Security
from edge.pipeline import Pipeline, raw_segments, short_side_px
from edge.policy import Policy
from edge.sensors import Sensors
from edge.spool import Spool
from edge.summary import RunSummary, Tally
from edge.times import EncodeTimes
from edge.update.desk import Desk, Receipts
from edge.uplink import Parts, UplinkError
from edge.verbs import Verbs
from edge.watch import Figures, InForce, Watch
from edge.watchdog import Manager, Pulses, Signs
from wire.bundle import Bundle

DRAIN_TIMEOUT_S = 30.0
_INBOX = 4  # segments
_FIRST_LOOK_S = 6.0  # the first birth waits so long for live cameras, to name them all
_POLL_S = 0.1

log = structlog.get_logger()


def run(
    config: Config,
    stop: Event,
    drain_timeout_s: float = DRAIN_TIMEOUT_S,
    credentials: Path | None = None,
    manager: Manager | None = None,
) -> RunSummary:
    """Run until `stop` is set, or until every file has ended and is acknowledged.

    Raises ConfigError, CameraError, BundleError, SpoolError and MetricsError for what cannot work, and
    UplinkError where files have ended but the cloud did not acknowledge them in `drain_timeout_s`.
    `credentials` is the folder in which systemd hands over keys, `manager` whom to tell that the agent works.
    """
    security = Security.of(config, credentials)
    if security.keys is None:
        log.warning("broker.envelope is none: packets are not sealed, whoever reads the broker reads them")
    spool = Spool(Path(config.spool.path), config.spool.max_bytes, config.spool.max_age_s)
    try:
        agent = _Agent(config, spool, stop, drain_timeout_s, security, manager or Manager(None))
        try:
            agent.work()
        finally:
            agent.close()
        return agent.summary()
    finally:
        spool.close()


class _Agent:
    """The parts of one run, and the threads that join them."""

    def __init__(
        self,
        config: Config,
        spool: Spool,
        stop: Event,
        drain_timeout_s: float,
        security: Security,
        manager: Manager,
    ) -> None:
        self._config = config
        self._spool = spool
        self._stop = stop
        self._drain_timeout_s = drain_timeout_s
        self._clock = BootClock.start()
        self._stated = self._clock  # what the birth says
        self._halt = Event()  # cameras end
        self._finish = Event()  # nothing more comes: the uplink ends when it has delivered
        self._bundle = Bundle.load(Path(config.bundle.path), "edge")
        links = infos(config.network)
        self._identity = Identity(config.device.id, spool.boot_id, self._clock, self._bundle, links)
        self._meter = outfit.meter_of(config)
        self._guard = outfit.guard_of(config, self._bundle)
        self._pipeline = Pipeline(self._bundle, config.settings())
        self._times = EncodeTimes()
        self._inbox = Inbox(_INBOX)
        self._tally = Tally()
        self._crew = Crew()
        self._manager = manager
        self._pulses = Pulses()
        sequences = count()
        keeper = outfit.keeper_of(config)
        self._budget = outfit.budget_of(config, self._identity.birth(), security, keeper.kept)
        self._composers = {camera.name: self._pipeline.composer(sequences) for camera in config.camera}
        self._links = outfit.links_of(config.network, self._pipeline, self._composers)
        self._ledger = outfit.ledger_of(config)
        self._desk = Desk.of(config, self._bundle)
        self._policy = Policy(self._pipeline, self._composers, self._budget, self._guard, self._links, keeper)
        self._policy.resume()  # before any camera is looked at
        self._cameras = self._opened()
        verbs = Verbs(spool.boot_id, self._composers, self._policy, self._links, self._desk)
        self._commands = Commands(verbs.handlers())
        self._describer = Describer(
            self._pipeline, self._composers, sequences, self._guard, self._budget, spool, self._tally,
            self._times,
        )  # fmt: skip
        self._parts = self._new_parts(security)
        self._uplink = outfit.uplink_of(config, security, spool, self._identity.birth(), self._parts)

    def _opened(self) -> Cameras:
        config = self._config
        openers = Openers(self._guard, self._meter, short_side_px(self._bundle), self._clock.now_us)
        cameras = Cameras(config.camera, openers, self._halt)
        for name, camera in cameras.files.items():
            self._identity.introduce(name, camera.info)
        return cameras

    def work(self) -> None:
        """Run all threads to their end."""
        parts = (self._parts, self._uplink, self._spool, self._inbox, self._times)
        with outfit.metrics_of(self._config, *parts):
            self._work([f"capture-{camera.name}" for camera in self._config.camera])

    def _work(self, captures: list[str]) -> None:
        try:
            for name, camera in zip(captures, self._config.camera, strict=True):
                self._crew.start(name, partial(self._capture, camera))
            self._crew.start("describe", partial(self._describer.run, self._inbox))
            if self._meter is not None:
                self._crew.start("meter", partial(self._meter.run, self._halt))
            self._wait_for_first_look()
            self._crew.start("uplink", partial(self._uplink.run, self._finish, self._drain_timeout_s))
            self._crew.start("commands", partial(self._commands.run, self._finish))
            self._manager.ready()
            while self._crew.is_working(*captures) and not self._is_ending():
                self._stop.wait(_POLL_S)
                self._look_at_clock()
                self._look_at_life()
                self._look_at_receipts()
        finally:
            self._manager.stopping()
            self._wind_down(captures)

    def close(self) -> None:
        """Write down what was spent."""
        self._budget.close()
        self._ledger.close()

    def summary(self) -> RunSummary:
        """Say what was done, or raise UplinkError where files could not be delivered."""
        backlog = self._spool.backlog()
        if backlog.waiting and not self._stop.is_set():
            raise UplinkError(
                f"{self._config.broker.host}:{self._config.broker.port}: {backlog.waiting} packets were not "
                f"acknowledged within {self._drain_timeout_s:g} s; they stay in {self._config.spool.path}"
            )
        return self._tally.summary(
            self._cameras.reports(), self._inbox.dropped, backlog, self._ledger.run_totals()
        )

    def _wind_down(self, captures: list[str]) -> None:
        """End the threads in the order in which packets pass them, so that none is left behind."""
        self._halt.set()
        if self._crew.failed.is_set():
            self._inbox.close()  # nobody may be left to take what a file still waits to put in
        self._crew.wait(*captures)
        self._inbox.close()
        self._crew.wait("describe")
        self._finish.set()
        self._crew.join()

    def _segment_ms(self) -> int:
        length_ms = self._budget.segment_ms(self._config.encode.segment_ms)
        return min(length_ms, self._links.network.latency_ms or length_ms)

    def _new_parts(self, security: Security) -> Parts:
        config, spool = self._config, self._spool
        figures = Figures(
            self._clock.zero_ns / 1e9,
            self._times,
            Sensors().read,
            self._in_force,
            lambda: bool(self._guard.trouble or self._policy.trouble),
            lambda: self._links.place,
        )
        return Parts(
            security.session(config, spool.boot_id),
            self._budget,
            self._commands,
            Watch(spool, lambda: self._inbox.dropped, lambda: self._stated is not self._clock, figures),
            ledger=self._ledger,
            cameras=frozenset(camera.name for camera in config.camera),
            links=self._links,
        )

    def _in_force(self) -> InForce:
        budget = self._budget
        provider = self._pipeline.provider
        samples = () if self._meter is None else self._meter.samples(self._identity.place)
        return InForce(self._policy.in_force(), budget.limits, budget.month_bytes, provider, samples)

    def _look_at_clock(self) -> None:
        """Announce this boot anew if the wall clock was set, so that the cloud dates its segments aright."""
        now = self._stated.restated(time.monotonic_ns(), time.time_ns())
        if now is not self._stated:
            by_s = (now.boot_wall_ms - self._stated.boot_wall_ms) / 1e3
            log.warning("wall clock was set", by_s=round(by_s, 1))
            self._stated = now
            self._uplink.announce(self._identity.restate(now))

    def _look_at_life(self) -> None:
        """Feed the watchdog while everything gets on."""
        now_s = time.monotonic()
        if not self._manager.is_due(now_s):
            return
        pulses = self._pulses
        still = {
            f"camera {name}": pulses.age_s(name, moves, now_s)
            for name, moves in self._cameras.moves().items()
        }
        at_rest = now_s if self._inbox.is_empty else None  # nothing to do is as good as progress
        still["describe"] = pulses.age_s(".describe", (self._describer.taken, at_rest), now_s)
        still["uplink"] = pulses.age_s(".uplink", self._uplink.turns, now_s)
        heard = pulses.age_s(".ack", self._uplink.signs, now_s)
        waiting = self._spool.backlog().waiting if self._budget.is_open else 0
        trouble = self._manager.look(Signs(still, heard, waiting), now_s)
        if trouble is not None:
            log.error("the watchdog is not fed any more", reason=trouble)

    def _look_at_receipts(self) -> None:
        """Let the updater know once this version works."""
        may_send = self._budget.is_open
        waiting = (may_send and bool(self._spool.backlog().waiting)) or not self._inbox.is_empty
        heard, stored = self._uplink.receipts
        self._desk.look(Receipts(heard, stored, waiting, self._policy.unable), time.monotonic())

    def _is_ending(self) -> bool:
        return self._stop.is_set() or self._crew.failed.is_set()

    def _wait_for_first_look(self) -> None:
        waited_s = 0.0
        while len(self._identity.birth().cameras) < len(self._config.camera):
            if waited_s >= _FIRST_LOOK_S or self._is_ending():
                return
            self._stop.wait(_POLL_S)
            waited_s += _POLL_S

    def _capture(self, source: CameraSource) -> None:
        live = is_live(source.source)
        camera = self._cameras.open(source)
        if camera is None:
            return
        if live:
            self._uplink.announce(self._identity.introduce(source.name, camera.info))
        for raw in raw_segments(camera, self._segment_ms):
            self._note_outages(source.name)
            self._inbox.put(Captured(source.name, raw), live=live)
        self._note_outages(source.name)

    def _note_outages(self, camera: str) -> None:
        for start_ms in self._guard.outages(camera):
            self._inbox.withhold(camera, start_ms)
