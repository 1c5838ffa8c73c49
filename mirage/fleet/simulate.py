"""`mirage fleet simulate`: a fleet that films, moves and loses its links, against a real broker and cloud.

clips understood --> stage up --> devices connect --> film ... deliver --> store checked --> report
                                   '-- meanwhile: load, page, fleet data, a broker that is away
"""

import contextlib
import shutil
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import func, select

from cloud.schema import BootRow, CameraRow
from mirage.bench.report import Machine
from mirage.bundles import bundle_folder
from mirage.errors import DemoError, InputError
from mirage.fleet import visitor
from mirage.fleet.checker import check
from mirage.fleet.films import clips, understand
from mirage.fleet.footage import measured
from mirage.fleet.report import Load, PageLook, Report, Spread, added
from mirage.fleet.scenario import SCENARIOS, Name
from mirage.fleet.settings import Mistake, Settings, Told, specs_of
from mirage.fleet.stage import Stage
from mirage.fleet.usage import Used
from mirage.progress import amount_shown, console, time_shown
from wire.bundle import Bundle

DRAIN_S = 240.0  # what a broker lost is sent again after a minute, and then after two
_RAMP_DEVICES_PER_S = 50
_LEAST_RAMP_S = 1.0
_UP_S = 60.0
_ON_BOARD_S = 600.0
_DATA_EVERY_S = 5.0
_STEP_S = 0.25
_VISIT_AT = 0.7  # of the run
_HTTP_S = 30.0
_MARK = ".mirage-fleet-simulation"  # in a folder that may be emptied


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for. `mistakes` must be found; `page` says whether a browser looks.

    `broker` is mosquitto, iotcore, or auto: Mosquitto where it is installed.
    """

    devices: int
    film_s: float
    scenario: Name = Name.COMMUTE
    seed: int = 0
    broker: str = "auto"
    bundle: Path | None = None
    page: bool = True
    screenshot: Path | None = None
    mistakes: tuple[Mistake, ...] = ()
    drain_s: float = DRAIN_S


@dataclass(slots=True)
class Seen:
    """What was measured while devices filmed."""

    load: dict[str, Load] = field(default_factory=dict)
    data_s: list[float] = field(default_factory=list)
    page: PageLook | None = None
    page_missing: str = "not asked for"


@contextlib.contextmanager
def simulated(request: Request, folder: Path) -> Iterator[tuple[Report, Stage]]:
    """Run a simulation whose files are in `folder`; its cloud serves until the body ends.

    Raises InputError for what is not installed, DemoError, StoreError, BundleError.
    """
    bundle = bundle_folder(request.bundle)
    specs = specs_of(request.devices)
    console.print("describing the clips, making keys", style="dim")
    films = understand(Bundle.load(bundle, "edge"), folder)
    with Stage(folder, bundle, specs, request.broker) as stage:
        _await_page(stage)
        settings = _settings(request, stage, bundle, films)
        stage.start_devices(settings)
        on_board_s = _await_devices(stage, request.devices)
        seen = _Watch(request, stage, stage.begin()).run()
        console.print("delivering what is left", style="dim")
        told = stage.told(request.drain_s)
        yield _report(request, stage, told, seen, on_board_s), stage


@contextlib.contextmanager
def folder_for(kept: Path | None) -> Iterator[Path]:
    """Give the folder of a simulation: a temporary one unless `kept` names one.

    What an earlier simulation left there is removed. Raises InputError for anybody else's files.
    """
    if kept is None:
        with tempfile.TemporaryDirectory(prefix="mirage-fleet-") as name:
            yield Path(name)
        return
    if kept.is_dir() and any(kept.iterdir()):
        if not (kept / _MARK).is_file():
            raise InputError(f"{kept}: is not empty, and not of a simulation: name another folder")
        shutil.rmtree(kept)
    kept.mkdir(parents=True, exist_ok=True)
    (kept / _MARK).touch()
    yield kept


def _settings(request: Request, stage: Stage, bundle: Path, films: tuple[Path, ...]) -> Settings:
    return Settings(
        port=stage.broker.port,
        folder=str(stage.folder),
        bundle=str(bundle.resolve()),
        films=tuple(str(path.resolve()) for path in films),
        footage=measured(clips()),
        specs=(),
        seed=request.seed,
        scenario=request.scenario,
        film_s=request.film_s,
        ramp_s=max(_LEAST_RAMP_S, request.devices / _RAMP_DEVICES_PER_S),
        drain_s=request.drain_s,
        has_tls=stage.broker.has_tls,
        mistakes=request.mistakes,
    )


class _Watch:
    """Looks on while devices film, and does to the broker what the scenario says."""

    def __init__(self, request: Request, stage: Stage, begin_s: float) -> None:
        self._request = request
        self._stage = stage
        self._begin_s = begin_s
        self._before: dict[int, Used] = {}
        self._asked_s = 0.0
        self.seen = Seen()

    def run(self) -> Seen:
        """Stay until devices film no more. Raises DemoError, StoreError."""
        deeds = {
            "begin": self._begin,
            "stop": self._stage.broker.stop,
            "start": self._stage.broker.start,
            "visit": self._visit,
            "end": self._end,
        }
        with time_shown("devices start", self._begin_s + self._request.film_s - time.time()) as tell:
            for at_s, deed in self._plan():
                self._wait(at_s, tell)
                deeds[deed]()
        return self.seen

    def _plan(self) -> list[tuple[float, str]]:
        away = SCENARIOS[self._request.scenario].broker_away or ()
        shares = [(0.0, "begin"), *zip(away, ("stop", "start"), strict=False), (1.0, "end")]
        if self._request.page:
            shares.append((_VISIT_AT, "visit"))
        return [(self._begin_s + share * self._request.film_s, deed) for share, deed in sorted(shares)]

    def _wait(self, at_s: float, tell: Callable[[str], None]) -> None:
        while (left_s := at_s - time.time()) > 0:
            self._stage.check()
            tell(f"devices film, {_stored(self._stage):,} packets stored")
            if self._before and time.time() - self._asked_s >= _DATA_EVERY_S:
                self._asked_s = time.time()
                self.seen.data_s.append(_asked_s(f"{self._stage.address}/api/v1/fleet"))
            time.sleep(min(left_s, _STEP_S))

    def _begin(self) -> None:
        self._before = {pid: Used.by(pid) for pid in self._stage.pids.values()}

    def _end(self) -> None:
        for name, pid in self._stage.pids.items():
            if pid in self._before:  # a broker that was started again has another
                now = Used.by(pid)
                share = (now.cpu_s - self._before[pid].cpu_s) / (time.time() - self._begin_s)
                self.seen.load[name] = Load(share, now.peak_rss_bytes)

    def _visit(self) -> None:
        self.seen.page_missing = visitor.missing()
        if not self.seen.page_missing:
            last = specs_of(self._request.devices)[-1].name
            self.seen.page = visitor.visit(
                self._stage.address, self._request.devices, last, self._request.screenshot
            )


def _stored(stage: Stage) -> int:
    with stage.store.read() as session:
        return session.scalar(select(func.sum(CameraRow.segments))) or 0


def _asked_s(url: str) -> float:
    """Give how long an answer takes. Raises DemoError."""
    begun_s = time.monotonic()
    try:
        with urllib.request.urlopen(url, timeout=_HTTP_S) as answer:  # noqa: S310 -- our own cloud
            answer.read()
    except OSError as error:
        raise DemoError(f"{url}: {error}") from error
    return time.monotonic() - begun_s


def _await_page(stage: Stage) -> None:
    end_s = time.monotonic() + _UP_S
    while True:
        stage.check()
        try:
            _asked_s(f"{stage.address}/healthz")
        except DemoError:
            if time.monotonic() > end_s:
                raise
            time.sleep(_STEP_S)
        else:
            return


def _await_devices(stage: Stage, count: int) -> float:
    """Wait until the cloud knows that all devices are there; gives how long that took. Raises DemoError."""
    begun_s = time.monotonic()
    with amount_shown("devices connect", count) as tell:
        there = 0
        while there < count:
            stage.check()
            now = _ready(stage)
            tell(now - there)
            there = now
            if time.monotonic() - begun_s > _ON_BOARD_S:
                raise DemoError(
                    f"{there} of {count} devices connected in {_ON_BOARD_S:g} s: see {stage.folder}"
                )
            time.sleep(_STEP_S)
    return time.monotonic() - begun_s


def _ready(stage: Stage) -> int:
    with stage.store.read() as session:
        return session.scalar(select(func.count()).where(BootRow.state == "ready")) or 0


def _report(request: Request, stage: Stage, told: Sequence[Told], seen: Seen, on_board_s: float) -> Report:
    sent, layers = added(told)
    return Report(
        machine=Machine.here(),
        broker=stage.broker.name,
        scenario=request.scenario.value,
        seed=request.seed,
        devices=request.devices,
        seconds=request.film_s,
        on_board_s=on_board_s,
        packets=check(stage.store, told),
        sent_again=sum(each.sent_again for each in told),
        overruns=sum(each.overrun_bytes > 0 for each in told),
        overrun_bytes=max((each.overrun_bytes for each in told), default=0.0),
        connections=sum(each.connections for each in told),
        cuts=sum(each.cuts for each in told),
        mqtt_bytes=sent,
        layers=layers,
        ack=Spread.of([each_s for each in told for each_s in each.ack_s]),
        load=seen.load,
        data=Spread.of(seen.data_s),
        page=seen.page,
        page_missing=seen.page_missing,
    )
