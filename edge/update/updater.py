"""Root's half: follows orders one after another, and leaves a version that runs, wherever it is cut off.

    boot()   before the agent starts, without the network: finishes or undoes what was cut off
    run()    afterwards, and whenever something is wanted: fetches, installs, tries, keeps or undoes

What was being fetched goes on; what was being tried is tried on, so often and for so long (trial.py); a state
that is lost, or says nothing, leaves what is committed.
"""

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
from msgspec.structs import replace

from edge.enrolment_client import RefusedError
from edge.update import state as states
from edge.update import wishes
from edge.update.client import Client
from edge.update.fetch import Fetcher, Purse
from edge.update.install import Site, floor_of, forget_parts, install
from edge.update.machine import Machine
from edge.update.racks import COMMITTED, Rack
from edge.update.running import id_of
from edge.update.settings import UpdateConfig, UpdateConfigError
from edge.update.state import Outcome, Result, State, Work
from edge.update.trial import Trial
from edge.update.wishes import Kind, Order, Wanted
from wire.release import ReleaseError

KINDS: tuple[Kind, ...] = ("agent", "bundle")
_LOOK_S = 1.0  # between two looks at what is wanted
_MAX_WHY = 300

log = structlog.get_logger()


class UpdateError(RuntimeError):
    """The updater cannot work here; the message says why."""


class EndedError(Exception):
    """The updater is to end; what it is at waits for the next run."""


class OutdatedError(Exception):
    """Something else is wanted by now."""


class Updater:
    """One device's. `client` is made when something is to be fetched, so that a boot needs no certificate."""

    def __init__(
        self, config: UpdateConfig, machine: Machine, client: Callable[[UpdateConfig], Client] = Client
    ) -> None:
        self._config = config
        self._machine = machine
        self._client = client
        self._racks = {kind: Rack.of(kind, Path(config.root)) for kind in KINDS}
        self._state = State()
        self._looked_s: float | None = None

    def boot(self) -> None:
        """Leave a version that runs, before the agent starts. Raises UpdateError, OSError."""
        with self._alone():
            self._recover(booting=True)

    def run(self) -> bool:
        """Follow all orders that are there. Raises UpdateError, UpdateConfigError, OSError.

        True where another version is kept by now and more is wanted: its updater is to go on, because the
        next release goes into the slot that this one runs from.
        """
        agents = self._racks["agent"]
        with self._alone():
            before = agents.place(COMMITTED)
            try:
                self._recover(booting=False)
                while self._next():
                    if before not in (None, agents.place(COMMITTED)):
                        return True
                    self._follow()
            except EndedError:
                log.info("ends, and goes on at the next start")
        return False

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep another updater out."""
        folder = self._config.folder
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._state = states.read(folder)
            yield
        except BlockingIOError as error:
            raise UpdateError(f"{folder}: another update is under way") from error
        finally:
            os.close(descriptor)

    def _recover(self, *, booting: bool) -> None:
        work = self._state.work
        self._align(work, booting=booting)
        if work is None:
            return
        if work.step == "trying":
            self._try(work, booting=booting)
        elif work.step == "committing":
            self._commit(work)
        elif work.step == "undoing":
            self._undo(work, work.why, booting=booting)

    def _align(self, work: Work | None, *, booting: bool) -> None:
        """Let run what is known to be good, but for what is being tried: that has its own end."""
        tried = work.kind if work is not None and work.step in ("trying", "committing", "undoing") else None
        aligned = [kind for kind, rack in self._racks.items() if kind != tried and rack.align()]
        if aligned:
            log.warning("what is known to be good runs again", kinds=aligned)
            if not booting:
                self._machine.restart_agent()

    def _follow(self) -> None:
        """Fetch and try what is ordered."""
        work = self._work()
        rack = self._racks[work.kind]
        committed = rack.place(COMMITTED)
        if committed is not None and id_of(rack.tree(committed)) == work.id:
            self._end("committed")
            return
        try:
            self._install(work, rack)
        except OutdatedError:
            log.info("something else is wanted by now", kind=work.kind, was=work.id)
            self._end(None)
        except (RefusedError, ReleaseError, UpdateConfigError) as error:
            self._fail(str(error))
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                self._clean()
            self._fail(f"{error.filename or self._config.root}: {error.strerror or error}")
        else:
            self._trial(work.kind).begin()
            self._try(self._work(), booting=False)

    def _install(self, work: Work, rack: Rack) -> None:
        self._check(at_once=True)
        if rack.place(COMMITTED) is None:
            raise RefusedError(f"{rack.home / COMMITTED}: leads to no version that could be gone back to")
        client = self._client(self._config)
        fetcher = Fetcher(client, self._machine, self._config.bytes_per_s, self._check)
        purse = Purse(client, self._config.byte_budget, work.spent, lambda spent: self._save(spent=spent))
        install(Site(self._config, self._machine, rack, fetcher, lambda: self._state, self._save), purse)

    def _try(self, work: Work, *, booting: bool) -> None:
        trial = self._trial(work.kind)
        log.info("is tried", kind=work.kind, release=work.id, version=work.version, place=work.place)
        if not self._racks[work.kind].tree(work.place).is_dir():
            self._undo(work, "its files are gone", booting=booting)
        elif not trial.start(booting=booting):
            self._undo(work, f"it was started {work.starts} times and was never healthy", booting=booting)
        elif not booting:
            why = trial.wait()
            if why is None:
                raise EndedError
            if why:
                self._undo(work, why, booting=False)
            else:
                self._commit(work)

    def _commit(self, work: Work) -> None:
        self._save(step="committing")
        rack = self._racks[work.kind]
        rack.point(COMMITTED, work.place)
        floors = {**self._state.floors, floor_of(work.kind, work.name): work.version}
        self._end("committed", floors=floors)
        rack.clear_others()

    def _undo(self, work: Work, why: str, *, booting: bool) -> None:
        log.warning("is undone", kind=work.kind, release=work.id, reason=why)
        self._save(step="undoing", why=why[:_MAX_WHY])
        self._racks[work.kind].align()
        if not booting:
            self._machine.restart_agent()
        self._end("rolled back", why)

    def _fail(self, why: str) -> None:
        log.warning("is not installed", reason=why)
        self._end("failed", why)

    def _end(self, result: Result | None, why: str = "", floors: dict[str, str] | None = None) -> None:
        """Be done with the order. What was gathered of a pack stays, in case it is wanted again."""
        work = self._work()
        outcomes = self._state.outcomes
        if result is not None:
            why = " ".join(why.split())[:_MAX_WHY]
            outcome = Outcome(work.id, work.order, result, why, work.spent)
            outcomes = {**outcomes, work.kind: outcome}
            log.info("is done with", kind=work.kind, release=work.id, result=result, bytes=work.spent)
        self._put(
            replace(
                self._state,
                work=None,
                outcomes=outcomes,
                ready={place: each for place, each in self._state.ready.items() if self._is_there(place)},
                last=work.kind if result is not None else self._state.last,
                floors=self._state.floors if floors is None else floors,
            )
        )
        for index in self._config.folder.glob("*.index"):
            index.unlink()

    def _is_there(self, place: str) -> bool:
        return any(rack.tree(place).is_dir() for rack in self._racks.values())

    def _clean(self) -> None:
        """Make room where there was none."""
        work = self._work()
        forget_parts(self._config.folder)
        if work.place:
            self._racks[work.kind].clear(work.place)

    def _next(self) -> bool:
        """Take up the next order; False where there is none."""
        if self._state.work is not None:
            return True
        wanted = self._wanted()
        for kind in KINDS:
            order: Order | None = getattr(wanted, kind)
            done = self._state.outcomes.get(kind)
            if order is not None and (done is None or done.order != order.order):
                log.info("is wanted", kind=kind, release=order.id)
                self._put(replace(self._state, work=Work(kind, order.id, order.order)))
                return True
        return False

    def _wanted(self) -> Wanted:
        return wishes.read(Path(self._config.wishes, wishes.WANTED), Wanted) or Wanted()

    def _check(self, *, at_once: bool = False) -> None:
        """Raise EndedError where the updater is to end, OutdatedError where something else is wanted."""
        if self._machine.wait(0):
            raise EndedError
        now_s = self._machine.now_s()
        if not at_once and self._looked_s is not None and now_s - self._looked_s < _LOOK_S:
            return
        self._looked_s = now_s
        work = self._work()
        order: Order | None = getattr(self._wanted(), work.kind)
        if order is not None and order.id != work.id:
            raise OutdatedError
        if order is not None and order.order != work.order:  # the same once more: it is under way
            self._save(order=order.order)

    def _trial(self, kind: Kind) -> Trial:
        return Trial(self._config, self._machine, self._racks[kind], self._work, self._save)

    def _work(self) -> Work:
        assert self._state.work is not None  # noqa: S101 -- whoever asks has an order
        return self._state.work

    def _save(self, *, ready: str | None = None, forget: str | None = None, **changes: object) -> None:
        """Change the work, and say of a place that its tree is whole now, or not any more."""
        places = {place: each for place, each in self._state.ready.items() if place != forget}
        work = replace(self._work(), **changes)
        if ready is not None:
            places[ready] = work.id
        self._put(replace(self._state, work=work, ready=places))

    def _put(self, state: State) -> None:
        states.write(self._config.folder, state)
        self._state = state
