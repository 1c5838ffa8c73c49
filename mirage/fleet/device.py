"""One simulated device: the agent's parts but for camera and networks, moved on by `tick`.

scenario --> scene --> Studio (composer) --plan--> Spool --> Uplink --> broker
                         ^-- menu --- Governor ----'  ^-- ack --'
"""

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import partial
from itertools import count

from edge.address import Address
from edge.allowance import Standing
from edge.backoff import Backoff
from edge.clock import BootClock
from edge.commands import Commands
from edge.composer import Choose
from edge.keys import Keys
from edge.link import LinkError
from edge.session import SealedSession
from edge.uplink import Parts
from edge.watch import Figures, InForce, Watch
from mirage.bench.chaos.packets import digest
from mirage.fleet.films import BASE_MS, Shot
from mirage.fleet.footage import Footage
from mirage.fleet.meter import MeteredBudget
from mirage.fleet.scenario import SCENARIOS, Break, Interruption
from mirage.fleet.settings import CAMERA, Mistake, Settings, Spec, Told
from mirage.fleet.studio import State, Studio
from mirage.fleet.uplink import Deliveries, SteppedUplink, WatchedSpool
from mirage.version import SOFTWARE
from wire.bundle import Bundle
from wire.documents import Birth, CameraInfo
from wire.packet import layer_label
from wire.telemetry import Provider

LOOK_S = 1.0  # between two turns of a connection on which nothing comes
STANDING = Standing(2048)
_BALLAST = {60: bytes(8192)}  # a layer that nobody knows
_LOST_EVERY = 7  # packets, of a device that loses some on purpose
_PICTURE = CameraInfo(CAMERA, 1280, 720, 25.0)


class Device:
    """For one thread; times are monotonic, in seconds. `tick` is to be called by `due_s`."""

    def __init__(
        self, spec: Spec, settings: Settings, bundle: Bundle, studio: Studio, way: tuple[Keys, Address]
    ) -> None:
        keys, address = way
        self.spec = spec
        self._settings = settings
        self._studio = studio
        seed = f"{settings.seed}/{spec.name}"
        self._chance = random.Random(seed)  # noqa: S311 -- makes up a fleet
        self._scenario = SCENARIOS[settings.scenario]
        self._breaks = list(self._scenario.interruptions(seed, settings.film_s))
        self._clock = BootClock.start()
        self._deliveries = Deliveries()
        self._spool = WatchedSpool(self._deliveries)
        self._budget = MeteredBudget(spec.limits, STANDING, asks=Mistake.OVERSPENDS not in settings.mistakes)
        session = SealedSession(keys, spec.topics, self._spool.boot_id, os.urandom)
        self._footage = Footage(settings.footage)
        figures = Figures(self._clock.zero_ns / 1e9, in_force=self._in_force)
        watch = Watch(self._spool, lambda: 0, lambda: False, figures)
        cameras = frozenset((CAMERA,))
        parts = Parts(session, self._budget, Commands({}), watch, cameras=cameras)
        self.uplink = SteppedUplink(address, spec.topics, self._spool, self._birth(bundle), parts)
        self.uplink.deliveries = self._deliveries
        self._sequences = count()
        self._digests = list[str]()
        self._layers = Counter[str]()
        self._state: State | None = None
        self._backoff = Backoff()
        self._connections = self._cuts = 0
        now_s = time.monotonic()
        self._connect_s = now_s + self._chance.uniform(0, settings.ramp_s)
        self._begin_s = self._shot_s = now_s  # the latter is when the shot begins
        self._shots: Iterator[Shot] = iter(())
        self._shot: Shot | None = None
        self.due_s = self._connect_s

    def begin(self, now_s: float) -> None:
        """Film from now on."""
        self._begin_s = now_s
        self._shot = self._next_shot(now_s)
        self._shot_s = now_s - self._chance.uniform(0, self._shot.duration_ms / 1000)

    def tick(self, now_s: float, *, films: bool) -> None:
        """Do what is due. With `films` false, only connect, and deliver what there is."""
        self._look_at_link(now_s, films=films)
        if films:
            self._film(now_s)
        try:
            self.uplink.turn()
        except LinkError:
            self._connect_s = now_s + self._backoff.next_delay_s()
        self.due_s = self._due_s(now_s, films=films)

    def is_done(self) -> bool:
        """Tell whether nothing waits."""
        return self._spool.backlog().waiting == 0

    def leave(self) -> None:
        """Say goodbye, if there is somebody to hear it."""
        try:
            self.uplink.leave()
        except LinkError:
            self._cuts += 1

    def told(self) -> Told:
        """Say what was done."""
        backlog = self._spool.backlog()
        return Told(
            device=f"{self.spec.topics.tenant}/{self.spec.site}/{self.spec.name}",
            boot=self._spool.boot_id.hex(),
            digests=tuple(self._digests),
            waiting=backlog.waiting,
            dropped=backlog.dropped,
            sent=dict(self._budget.sent),
            layers=dict(self._layers),
            sent_again=self._deliveries.again,
            overrun_bytes=self._budget.overrun_bytes,
            connections=self._connections,
            cuts=self._cuts,
            ack_s=tuple(self._deliveries.ack_s),
        )

    def _birth(self, bundle: Bundle) -> Birth:
        return Birth(
            device=self.spec.name,
            boot_id=self._spool.boot_id.hex(),
            boot_wall_ms=self._clock.boot_wall_ms,
            wall_error_ms=self._clock.wall_error_ms,
            software=SOFTWARE,
            bundle=bundle.manifest.name,
            bundle_sha256=bundle.short_sha256,
            cameras=(_PICTURE,),
        )

    def _in_force(self) -> InForce:
        budget = self._budget
        samples = self._footage.samples()
        return InForce(asdict(budget.limits), budget.limits, budget.month_bytes, Provider.CPU, samples)

    def _look_at_link(self, now_s: float, *, films: bool) -> None:
        if self.uplink.is_up and films and self._breaks and now_s >= self._begin_s + self._breaks[0].at_s:
            self._interrupt(self._breaks.pop(0), now_s)
        if not self.uplink.is_up and now_s >= self._connect_s:
            self._connect(now_s)

    def _interrupt(self, each: Interruption, now_s: float) -> None:
        if each.kind is Break.CUT:
            self.uplink.cut()
            self._cuts += 1
        else:
            self.leave()
        self._connect_s = now_s + each.for_s

    def _connect(self, now_s: float) -> None:
        try:
            self.uplink.connect()
        except LinkError:
            self._connect_s = now_s + self._backoff.next_delay_s()
            return
        self._connections += 1
        self._backoff.reset()

    def _film(self, now_s: float) -> None:
        """Capture each segment that has ended by now."""
        while self._shot and (end_s := self._shot_s + self._shot.duration_ms / 1000) <= now_s:
            self._capture(self._shot, self._shot_s, now_s)
            self._shot, self._shot_s = self._next_shot(now_s), end_s

    def _capture(self, shot: Shot, begin_s: float, now_s: float) -> None:
        packet, self._state = self._studio.play(shot, self._state, self._choose(now_s))
        self._footage.shown(shot)
        sequence = next(self._sequences)
        captured_ms = max(round((begin_s * 1e9 - self._clock.zero_ns) / 1e6), 0)
        packet = replace(packet, sequence=sequence, captured_ms=captured_ms)
        if Mistake.OVERSPENDS in self._settings.mistakes:
            packet = replace(packet, layers={**packet.layers, **_BALLAST})
        body = bytes(packet)
        self._digests.append(digest(body))
        self._layers.update({layer_label(layer): len(data) for layer, data in packet.layers.items()})
        if Mistake.LOSES in self._settings.mistakes and sequence % _LOST_EVERY == 0:
            return
        self._spool.append(sequence, CAMERA, body)

    def _choose(self, now_s: float) -> Choose | None:
        if not self._budget.is_limited:
            return None
        waiting_bytes = self._spool.backlog().body_bytes
        return partial(self._budget.plan, CAMERA, now_s=now_s, waiting_bytes=waiting_bytes)

    def _next_shot(self, now_s: float) -> Shot:
        shot = next(self._shots, None)
        if shot is None:
            share = min(max((now_s - self._begin_s) / self._settings.film_s, 0.0), 1.0)
            busy = self._scenario.moves(share, self.spec.phase)
            moves, rests = self._chance.random() < busy, self._chance.random() >= busy
            length_ms = self._budget.segment_ms(BASE_MS)
            self._shots = self._studio.films.scene(self._chance, length_ms, moves=moves, rests=rests)
            shot = next(self._shots)
        return shot

    def _due_s(self, now_s: float, *, films: bool) -> float:
        due = [now_s + LOOK_S]
        if not self.uplink.is_up:
            due.append(max(self._connect_s, now_s))
        if films and self._shot:
            due.append(self._shot_s + self._shot.duration_ms / 1000)
        return min(due)
