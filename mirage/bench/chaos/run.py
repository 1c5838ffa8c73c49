"""One run: everything up, faults as planned, everything mended, the device drained, and the histories read.

device --FaultProxy--> broker <--FaultProxy-- cloud --> store
   '--> journals                                          '--> history
"""

import random
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from mirage.bench.chaos.agent import judge, logged_segments
from mirage.bench.chaos.checker import Violation
from mirage.bench.chaos.damage import overwrite, waiting_in
from mirage.bench.chaos.history import History, Stored, StoredGap
from mirage.bench.chaos.holdings import count_rows, read_birthless, read_claims, read_packets, reading
from mirage.bench.chaos.journal import read_boots
from mirage.bench.chaos.proxy import Weather
from mirage.bench.chaos.schedule import Fault, Kind, Side, plan
from mirage.bench.chaos.settings import AGENT, TOPICS, Mistake
from mirage.bench.chaos.stage import Stage

_TICK_S = 0.05


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be run. The mistake is for tests of the checker."""

    seconds: float
    seed: int
    broker: Literal["iotcore", "mosquitto"]
    envelope: Literal["none", "sealed"]
    segments_per_s: float = 12.0
    drain_s: float = 90.0
    mistake: Mistake = Mistake.NONE
    clip: Path | None = None  # where there is one, the whole agent runs on it, too


@dataclass(frozen=True, slots=True)
class AgentOutcome:
    """What became of the whole agent."""

    logged: int
    packets: tuple[Stored, ...]
    gaps: tuple[StoredGap, ...]
    kills: int

    def violations(self) -> tuple[Violation, ...]:
        """Judge it."""
        return tuple(judge(self.packets, self.gaps, self.logged, self.kills))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run left behind."""

    history: History
    faults: Mapping[str, int]
    links: Mapping[str, Mapping[str, int]]
    messages: Mapping[str, int]
    quarantined: int
    pending: int
    starts: Mapping[str, int]
    agent: AgentOutcome | None
    broker_crashes: int


def run(request: Request, folder: Path, tick: Callable[[int], None]) -> Outcome:
    """Run; `tick` is told of seconds that have passed. Raises InputError, OSError."""
    faults = plan(request.seed, request.seconds, corruption=request.envelope == "sealed")
    with ExitStack() as stack:
        stage = stack.enter_context(Stage(request, folder))
        stage.await_delivery()
        director = _Director(stage, random.Random(request.seed))  # noqa: S311 -- replayed by its seed
        director.play(faults, request.seconds, tick)
        director.mend()
        ended = stage.drain(request.drain_s)
    return _outcome(request, stage, director, ended=ended)


@dataclass(slots=True)
class _Director:
    """Lets faults happen when they are due, and end when they are over."""

    stage: Stage
    chance: random.Random
    faults: Counter[str] = field(default_factory=Counter)
    in_damaged_file: set[tuple[str, int]] = field(default_factory=set)
    _ends: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    def play(self, faults: tuple[Fault, ...], length_s: float, tick: Callable[[int], None]) -> None:
        began_s, waiting, told = time.monotonic(), list(faults), 0
        while (now_s := time.monotonic() - began_s) < length_s:
            while waiting and waiting[0].at_s <= now_s:
                fault = waiting.pop(0)
                if self._begin(fault, now_s):
                    self.faults[fault.name] += 1
            for end in [end for at_s, end in self._ends if at_s <= now_s]:
                end()
            self._ends = [(at_s, end) for at_s, end in self._ends if at_s > now_s]
            self.stage.look_after(now_s)
            if int(now_s) > told:
                tick(int(now_s) - told)
                told = int(now_s)
            time.sleep(_TICK_S)

    def mend(self) -> None:
        """End what goes on."""
        for _, end in self._ends:
            end()
        self._ends = []

    def _begin(self, fault: Fault, now_s: float) -> bool:
        """Let a fault happen; False where it could not."""
        begin = {
            Kind.KILL: self._kill,
            Kind.CLOCK: self._set_clock,
            Kind.REPLAY: self._replay,
            Kind.DISK_FULL: self._fill_disk,
            Kind.STORE_LOCK: self._lock_store,
            Kind.SPOOL_DAMAGE: self._damage_spool,
        }.get(fault.kind, self._on_a_link)
        return begin(fault, now_s)

    def _kill(self, fault: Fault, now_s: float) -> bool:
        return self.stage.kill(fault.side, back_s=now_s + fault.duration_s)

    def _set_clock(self, fault: Fault, _now_s: float) -> bool:
        self.stage.control(fault.side).wall_offset_ms += round(fault.amount)
        return True

    def _replay(self, _fault: Fault, _now_s: float) -> bool:
        return self.stage.replay()

    def _fill_disk(self, fault: Fault, now_s: float) -> bool:
        self.stage.control(Side.DEVICE).disk_full = True
        self._later(now_s + fault.duration_s, self._empty_disk)
        return True

    def _on_a_link(self, fault: Fault, now_s: float) -> bool:
        proxy, end_s = self.stage.proxies[fault.side], now_s + fault.duration_s
        if fault.kind in (Kind.RESET, Kind.FINISH):
            proxy.cut(reset=fault.kind is Kind.RESET)
        elif fault.kind is Kind.REORDER:
            proxy.hold()
            after_s, overtaken = self.chance.uniform(0, 0.5), fault.amount < 0.5
            self._later(end_s, lambda: proxy.cut_and_deliver_late(after_s, overtaken=overtaken))
        elif fault.kind is Kind.HALF_OPEN:
            proxy.vanish(fault.way)
            self._later(end_s, proxy.reappear)
        else:
            proxy.change(lambda weather: _worsen(weather, fault))
            self._later(end_s, lambda: proxy.change(lambda weather: _clear_up(weather, fault.kind)))
            if fault.kind is Kind.CORRUPT:  # MQTT may have misunderstood: nothing is sure on that connection
                self._later(end_s, lambda: proxy.cut(reset=True))
        return True

    def _empty_disk(self) -> None:
        self.stage.control(Side.DEVICE).disk_full = False

    def _lock_store(self, fault: Fault, now_s: float) -> bool:
        other = sqlite3.connect(self.stage.store, isolation_level=None, timeout=1)
        try:
            other.execute("SELECT 1 FROM packets")  # a store that is just being made is left in peace
            other.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            other.close()
            return False
        self._later(now_s + fault.duration_s, other.close)
        return True

    def _damage_spool(self, fault: Fault, now_s: float) -> bool:
        if not self.stage.kill(Side.DEVICE, back_s=now_s + fault.duration_s):
            return False
        self.in_damaged_file |= waiting_in(self.stage.spool)
        return overwrite(self.stage.spool, round(fault.amount), self.chance)

    def _later(self, at_s: float, end: Callable[[], None]) -> None:
        self._ends.append((at_s, end))


def _worsen(weather: Weather, fault: Fault) -> None:
    if fault.kind is Kind.DELAY:
        weather.delay_s = fault.amount
    elif fault.kind is Kind.TRICKLE:
        weather.rate_bytes_s = fault.amount
    elif fault.kind is Kind.STALL:
        weather.stalled = True
    elif fault.kind is Kind.REFUSE:
        weather.refusing = True
    elif fault.kind is Kind.CORRUPT:
        weather.corrupt_share = fault.amount


def _clear_up(weather: Weather, kind: Kind) -> None:
    if kind is Kind.DELAY:
        weather.delay_s = 0.0
    elif kind is Kind.TRICKLE:
        weather.rate_bytes_s = None
    elif kind is Kind.STALL:
        weather.stalled = False
    elif kind is Kind.REFUSE:
        weather.refusing = False
    elif kind is Kind.CORRUPT:
        weather.corrupt_share = 0.0


def _outcome(request: Request, stage: Stage, director: _Director, *, ended: bool) -> Outcome:
    boots, waiting = read_boots(stage.journals(), frozenset(director.in_damaged_file))
    deaths = list(stage.deaths)
    if not ended or waiting < 0:
        deaths.append(f"the device did not end within {request.drain_s:g} s of being told to")
    with reading(stage.store) as database:
        packets, gaps = read_packets(database, TOPICS.device)
        claims, birthless = read_claims(database, TOPICS.device), read_birthless(database, TOPICS.device)
        agent = None
        if stage.agent is not None:
            logged = logged_segments(stage.agent.log.read_text(errors="replace"))
            stored, given_up = read_packets(database, AGENT.device)
            agent = AgentOutcome(logged, tuple(stored), tuple(given_up), stage.agent.starts - 1)
        quarantined, pending = count_rows(database, "quarantine"), count_rows(database, "pending")
    return Outcome(
        History(
            tuple(boots),
            tuple(packets),
            tuple(gaps),
            tuple(claims),
            tuple(birthless),
            undelivered=max(waiting, 0),
            deaths=tuple(deaths),
        ),
        dict(director.faults),
        {side.value: proxy.counts for side, proxy in stage.proxies.items()},
        stage.control(Side.CLOUD).counts(),
        quarantined,
        pending,
        {party.name: party.starts for party in stage.parties},
        agent,
        stage.broker_crashes,
    )
