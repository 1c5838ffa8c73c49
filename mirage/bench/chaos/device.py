"""The device's process: the agent's spool and uplink as they are, with a generator in place of cameras.

    python -m mirage.bench.chaos.device SETTINGS.json      until SIGTERM: then it drains, and ends

Many small packets of several cameras cost little to make, so the load is on spool, uplink and ingest.
"""

import contextlib
import random
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path

import msgspec

from edge.clock import BootClock
from edge.crew import Crew
from edge.shedding import without_detail
from edge.spool import Spool
from edge.stock import Spooled
from mirage.bench.chaos.control import Control
from mirage.bench.chaos.holdings import Holdings
from mirage.bench.chaos.journal import Acknowledge, Append, Began, Capture, End, Journal, Offer
from mirage.bench.chaos.packets import SCENE, digest, make_packet
from mirage.bench.chaos.settings import TOPICS, Mistake, Settings
from mirage.bench.chaos.uplink import make_uplink
from wire.documents import AckWatermark, Birth, CameraInfo
from wire.packet import Packet


class WatchedSpool(Spool):
    """A spool that keeps a log of what it was asked for, and whose disk may be full."""

    def __init__(self, settings: Settings, journal: Journal, control: Control) -> None:
        self._connections: list[sqlite3.Connection] = []
        _tell_connections(self._connections)
        self.settings = settings
        self._file = Path(settings.folder) / "spool" / "spool.db"
        super().__init__(self._file, settings.spool_bytes)
        self._journal = journal
        self._control = control
        self._holdings = Holdings(Path(settings.store))
        self._was_full = False
        self._given_up = 0

    def append(self, sequence: int, camera: str, body: bytes) -> None:
        coarse = digest(without_detail(body))
        captured_ms = Packet.parse(body).captured_ms
        event = Capture(sequence, camera, captured_ms, digest(body), coarse)
        self._journal.note(event, durably=True)
        self._fill_disk(full=self._control.disk_full)
        super().append(sequence, camera, body)
        self._journal.note(Append(sequence, self._is_written(sequence)))

    def pending(self, limit: int, after: int = 0) -> list[Spooled]:
        items = super().pending(limit, after)
        for item in items:
            self._journal.note(Offer(item.boot_id.hex(), item.sequence))
        if self.settings.mistake is Mistake.FREES_WHEN_SENT:
            for item in items:
                holes = ((0, item.sequence - 1),) if item.sequence else ()
                self.acknowledge(item.boot_id, AckWatermark(item.sequence, holes))
        return items

    def acknowledge(self, boot_id: bytes, watermark: AckWatermark) -> int:
        boot = boot_id.hex()
        early = self._holdings.missing(boot, watermark)
        self._journal.note(Acknowledge(boot, watermark.highest, early))
        return super().acknowledge(boot_id, watermark)

    def _is_written(self, sequence: int) -> bool:
        """Tell whether the packet, or a gap record of it, is on disk: a full one leaves it in memory."""
        if not self.backlog().disk_full:
            return True
        reader = sqlite3.connect(f"{self._file.resolve().as_uri()}?mode=ro", uri=True)
        try:
            packet = "SELECT 1 FROM packets WHERE boot = ? AND sequence = ?"
            gap = "SELECT 1 FROM gaps WHERE boot = ? AND ? BETWEEN low AND high"
            return any(reader.execute(each, (self.boot_id, sequence)).fetchone() for each in (packet, gap))
        finally:
            reader.close()

    def _fill_disk(self, *, full: bool) -> None:
        """Let SQLite find that its file cannot grow; it says so as it does on a disk that is full."""
        if full == self._was_full:
            return
        self._was_full = full
        for connection in self._connections:
            with contextlib.suppress(sqlite3.ProgrammingError):  # closed: its file was set aside
                pages = connection.execute("PRAGMA page_count").fetchone()[0] if full else 2**30
                connection.execute(f"PRAGMA max_page_count = {pages}")


def generate(
    settings: Settings, clock: BootClock, append: Callable[[int, str, bytes], None], stop: threading.Event
) -> None:
    """Make packets of all cameras at the rate that the settings say, until `stop`."""
    chance = random.Random(f"{settings.seed}/{settings.number}")  # noqa: S311 -- makes up pictures
    last_ms = dict.fromkeys(settings.cameras, -1)
    made = dict.fromkeys(settings.cameras, 0)
    for sequence in count():
        if stop.wait(chance.expovariate(settings.segments_per_s)):
            return
        camera = chance.choice(settings.cameras)
        captured_ms = last_ms[camera] = max(clock.now_us() // 1000, last_ms[camera] + 1)
        refresh = made[camera] % SCENE == 0
        made[camera] += 1
        append(sequence, camera, make_packet(chance, sequence, captured_ms, refresh=refresh))


def birth_of(settings: Settings, boot_id: bytes, clock: BootClock) -> Birth:
    """Say who this is, on a wall clock that may be anywhere."""
    return Birth(
        device=TOPICS.device,
        boot_id=boot_id.hex(),
        boot_wall_ms=clock.boot_wall_ms,
        wall_error_ms=clock.wall_error_ms,
        software="mirage chaos",
        bundle=settings.bundle,
        bundle_sha256=settings.bundle_sha256,
        cameras=tuple(CameraInfo(name, 640, 360, 25.0) for name in settings.cameras),
    )


def run(settings: Settings, control: Control) -> None:
    """Live until SIGTERM, then drain. Raises what a thread has raised."""
    journal = Journal(Path(settings.folder) / f"journal-{settings.number:04}.jsonl")
    stop, finish = threading.Event(), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    clock = BootClock.start()
    spool = WatchedSpool(settings, journal, control)
    journal.note(Began(spool.boot_id.hex()), durably=True)
    uplink = make_uplink(settings, spool, birth_of(settings, spool.boot_id, clock))
    crew = Crew()
    crew.start("uplink", partial(uplink.run, finish, settings.drain_timeout_s))
    crew.start("generate", partial(generate, settings, clock, spool.append, stop))
    while not stop.wait(0.05) and not crew.failed.is_set():
        now = clock.restated(time.monotonic_ns(), time.time_ns())
        if now is not clock:  # as the agent does it
            clock = now
            uplink.announce(birth_of(settings, spool.boot_id, clock))
    stop.set()
    crew.wait("generate")
    finish.set()
    crew.join()
    journal.note(End(spool.backlog().waiting), durably=True)
    spool.close()


def _tell_connections(told: list[sqlite3.Connection]) -> None:
    connect = sqlite3.connect

    def tell(path: str | Path, **options: object) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(path, **options)  # type: ignore[call-overload]
        told.append(connection)
        return connection

    sqlite3.connect = tell  # type: ignore[assignment]


def main() -> None:
    """Run the process."""
    from mirage.log import log_to_stderr

    log_to_stderr(verbose=True)
    settings = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Settings)
    control = Control(Path(settings.folder) / "device.control")
    control.shift_wall_clock()
    run(settings, control)


if __name__ == "__main__":
    main()
