"""The edge agent: cameras in, packets out.

    capture-NAME --.
    capture-NAME --+--> Inbox --> describe --> Spool --> uplink --> broker
    capture-NAME --'    bounded      ^        on disk    ^-- ack, cmd --'
                                     '-- commands <------'

The halves share only the spool, so a slow network never stalls a camera, and a stalled camera never
holds the connection. Every part is a named thread; the first that fails stops the process.
"""

import os
import time
from dataclasses import dataclass
from functools import partial
from itertools import count, islice
from pathlib import Path
from threading import Event
from time import perf_counter

import structlog

from edge.allowance import BudgetError, Limits, Standing
from edge.backoff import Backoff
from edge.budget import Budget
from edge.camera import Camera, CameraError, is_live, open_camera
from edge.clock import BootClock
from edge.commands import Commands
from edge.composer import Choose
from edge.config import CameraSource, Config, ConfigError, topics_of
from edge.crew import Crew
from edge.identity import Identity
from edge.inbox import Captured, Inbox, Missed
from edge.keys import Keys, load_keys, load_tls
from edge.link import Address
from edge.menu import Menu, Plan
from edge.pipeline import Pipeline, raw_segments, short_side_px
from edge.session import PlainSession, SealedSession, Session
from edge.spool import Spool
from edge.summary import CameraReport, RunSummary, Tally
from edge.tls import Tls
from edge.uplink import Parts, Uplink, UplinkError
from edge.verbs import Verbs
from edge.watch import Watch
from edge.watchdog import Manager, Pulses, Signs
from wire import documents
from wire.bundle import Bundle
from wire.gap import GapReason

DRAIN_TIMEOUT_S = 30.0
_INBOX = 4  # segments
_FIRST_LOOK_S = 6.0  # the first birth waits so long for live cameras, to name them all
_POLL_S = 0.1
_CONNECTION_BYTES = 1024  # of a connection, besides the birth: CONNECT, SUBSCRIBE, states, a wrapped key
_CAMERA_BYTES = 128  # of a camera in the birth, which it joins later

log = structlog.get_logger()


def run(
    config: Config,
    stop: Event,
    drain_timeout_s: float = DRAIN_TIMEOUT_S,
    credentials: Path | None = None,
    manager: Manager | None = None,
) -> RunSummary:
    """Run until `stop` is set, or until every file has ended and is acknowledged.

    Raises ConfigError, CameraError, BundleError and SpoolError for what cannot work, and UplinkError where
    files have ended but the cloud did not acknowledge them in `drain_timeout_s`. `credentials` is the folder
    in which systemd hands over keys, `manager` whom to tell that the agent works.
    """
    security = _Security(load_keys(config, credentials), load_tls(config, credentials))
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


@dataclass(frozen=True, slots=True)
class _Security:
    """What packets are sealed with, and how the broker is reached; None where they are not, or plainly."""

    keys: Keys | None
    tls: Tls | None


class _Agent:
    """The parts of one run, and the threads that join them."""

    def __init__(
        self,
        config: Config,
        spool: Spool,
        stop: Event,
        drain_timeout_s: float,
        security: _Security,
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
        self._identity = Identity(config.device.id, spool.boot_id, self._clock, self._bundle)
        # Files are opened here: a broken one is the user's mistake and ends the run at once.
        self._files = {
            camera.name: self._open(camera) for camera in config.camera if not is_live(camera.source)
        }
        for name, camera in self._files.items():
            self._identity.introduce(name, camera.info)
        self._pipeline = Pipeline(self._bundle, config.settings())
        self._inbox = Inbox(_INBOX)
        self._tally = Tally()
        self._crew = Crew()
        self._opened: dict[str, Camera] = {}
        self._manager = manager
        self._pulses = Pulses()
        self._attempts = dict.fromkeys((camera.name for camera in config.camera), 0)
        self._described = 0
        sequences = count()
        self._sequences = sequences
        self._budget = self._new_budget()
        self._composers = {camera.name: self._pipeline.composer(sequences) for camera in config.camera}
        verbs = Verbs(spool.boot_id, self._pipeline, self._composers, self._budget)
        self._commands = Commands(verbs.handlers())
        self._uplink = self._new_uplink(security)

    def work(self) -> None:
        """Run all threads to their end."""
        captures = [f"capture-{camera.name}" for camera in self._config.camera]
        try:
            for name, camera in zip(captures, self._config.camera, strict=True):
                self._crew.start(name, partial(self._capture, camera))
            self._crew.start("describe", self._describe)
            self._wait_for_first_look()
            self._crew.start("uplink", partial(self._uplink.run, self._finish, self._drain_timeout_s))
            self._crew.start("commands", partial(self._commands.run, self._finish))
            self._manager.ready()
            while self._crew.is_working(*captures) and not self._is_ending():
                self._stop.wait(_POLL_S)
                self._look_at_clock()
                self._look_at_life()
        finally:
            self._manager.stopping()
            self._wind_down(captures)

    def close(self) -> None:
        """Write down what was spent."""
        self._budget.close()

    def summary(self) -> RunSummary:
        """Say what was done, or raise UplinkError where files could not be delivered."""
        backlog = self._spool.backlog()
        if backlog.waiting and not self._stop.is_set():
            raise UplinkError(
                f"{self._config.broker.host}:{self._config.broker.port}: {backlog.waiting} packets were not "
                f"acknowledged within {self._drain_timeout_s:g} s; they stay in {self._config.spool.path}"
            )
        cameras = tuple(self._reported(name) for name in sorted(self._opened))
        return self._tally.summary(cameras, self._inbox.dropped, backlog)

    def _reported(self, name: str) -> CameraReport:
        camera = self._opened[name]
        info = camera.info
        return CameraReport(name, info.width, info.height, info.fps, camera.frames_read, camera.end_us)

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

    def _new_budget(self) -> Budget:
        network = self._config.network
        limits = Limits(network.bytes_per_s, network.burst_bytes, network.bytes_per_month)
        cameras = len(self._config.camera)
        birth = len(documents.encode(self._identity.birth()))
        standing = Standing(birth + cameras * _CAMERA_BYTES + _CONNECTION_BYTES)
        path = Path(self._config.spool.path)
        try:
            return Budget(limits, standing, path.with_name(path.name + ".budget"), cameras)
        except BudgetError as error:
            raise ConfigError(f"network.{error}") from error

    def _chooser(self, camera: str) -> Choose | None:
        """Let the budget choose what is sent of a camera, if there is one."""
        if not self._budget.is_limited:
            return None

        def choose(menu: Menu) -> Plan:
            waiting_bytes = self._spool.backlog().body_bytes
            return self._budget.plan(camera, menu, time.monotonic(), waiting_bytes)

        return choose

    def _segment_ms(self) -> int:
        return self._budget.segment_ms(self._config.encode.segment_ms)

    def _new_uplink(self, security: _Security) -> Uplink:
        config, spool = self._config, self._spool
        topics = topics_of(config.device)
        session: Session = PlainSession()
        if security.keys is not None:
            session = SealedSession(security.keys, topics, spool.boot_id, os.urandom)
        parts = Parts(
            session,
            self._budget,
            self._commands,
            Watch(spool, lambda: self._inbox.dropped, lambda: self._stated is not self._clock),
        )
        broker = config.broker
        address = Address(broker.host, broker.port, security.tls, broker.keepalive_s)
        return Uplink(address, topics, spool, self._identity.birth(), parts)

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
            f"camera {name}": pulses.age_s(name, self._moves(name), now_s)
            for name in self._attempts
            if name not in self._files
        }
        at_rest = now_s if self._inbox.is_empty else None  # nothing to do is as good as progress
        still["describe"] = pulses.age_s(".describe", (self._described, at_rest), now_s)
        still["uplink"] = pulses.age_s(".uplink", self._uplink.turns, now_s)
        heard = pulses.age_s(".ack", self._uplink.signs, now_s)
        trouble = self._manager.look(Signs(still, heard, self._spool.backlog().waiting), now_s)
        if trouble is not None:
            log.error("the watchdog is not fed any more", reason=trouble)

    def _moves(self, name: str) -> object:
        camera = self._opened.get(name)
        tried = self._attempts[name]
        return tried if camera is None else (tried, camera.frames_read, camera.attempts)

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
        camera = self._files.get(source.name) or self._open_when_there(source)
        if camera is None:
            return
        self._opened[source.name] = camera
        if live:
            self._uplink.announce(self._identity.introduce(source.name, camera.info))
        for raw in raw_segments(camera, self._segment_ms):
            self._inbox.put(Captured(source.name, raw), live=live)

    def _open_when_there(self, source: CameraSource) -> Camera | None:
        backoff = Backoff(limit_s=15.0)
        while not self._halt.is_set():
            self._attempts[source.name] += 1
            try:
                return self._open(source)
            except CameraError as error:
                delay_s = backoff.next_delay_s()
                log.warning("no camera", reason=str(error), retry_s=round(delay_s, 1))
            self._halt.wait(delay_s)
        return None

    def _open(self, source: CameraSource) -> Camera:
        side_px = short_side_px(self._bundle)
        return open_camera(source.source, short_side_px=side_px, stop=self._halt, now_us=self._clock.now_us)

    def _describe(self) -> None:
        started_s = perf_counter()
        while (item := self._inbox.take()) is not None:
            self._described += 1
            composer = self._composers[item.camera]
            if isinstance(item, Missed):
                self._give_up(item)
                composer.refresh()  # "as before" would be said of a segment that nobody has
                continue
            composer.govern(self._chooser(item.camera))
            described = self._pipeline.describe(item.raw, composer)
            body = bytes(described.packet)
            self._spool.append(described.packet.sequence, item.camera, body)
            report = self._tally.add(item.camera, described, body)
            self._tally.took(perf_counter() - started_s)
            log.info("segment", camera=item.camera, caption=report.caption, bytes=report.packet_bytes)

    def _give_up(self, missed: Missed) -> None:
        """Give numbers to segments that found no room, so that they are listed and not just missing."""
        numbers = list(islice(self._sequences, missed.count))
        log.warning("too slow for a camera", camera=missed.camera, segments=missed.count)
        self._spool.give_up(numbers[0], numbers[-1], missed.camera, missed.start_ms, GapReason.OVERLOADED)
