"""The device's own log of a run: JSON lines, one file for each life of the process.

A capture is on disk before it is appended to the spool. The last line of a killed process may be torn.
"""

import os
import threading
from collections import Counter
from pathlib import Path

import msgspec
from msgspec import Struct

from mirage.bench.chaos.history import Boot, Captured, Range


class Began(Struct, frozen=True, tag="began"):
    """The process has a boot id."""

    boot: str


class Capture(Struct, frozen=True, tag="captured"):
    """A segment is about to be appended."""

    sequence: int
    camera: str
    captured_ms: int
    whole: str
    coarse: str


class Append(Struct, frozen=True, tag="appended"):
    """`append` has returned; `written` says whether the packet is on disk, or in a gap record on disk."""

    sequence: int
    written: bool


class Offer(Struct, frozen=True, tag="offered"):
    """A packet or gap record, of any boot, was handed to the uplink."""

    boot: str
    sequence: int


class Acknowledge(Struct, frozen=True, tag="acknowledged"):
    """The spool is about to free what is acknowledged; `early` of it was not in the store just then."""

    boot: str
    highest: int
    early: tuple[Range, ...]


class End(Struct, frozen=True, tag="ended"):
    """The process ends by itself, and this much still waits."""

    waiting: int


Event = Began | Capture | Append | Offer | Acknowledge | End
_EVENT = msgspec.json.Decoder(Event)


class Journal:
    """Writes the log. Safe for several threads."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._lock = threading.Lock()

    def note(self, event: Event, *, durably: bool = False) -> None:
        """Add a line, and wait until it is on disk if it must survive a power cut."""
        with self._lock:
            os.write(self._file, msgspec.json.encode(event) + b"\n")
            if durably:
                os.fdatasync(self._file)

    def close(self) -> None:
        os.close(self._file)


def read_journal(path: Path) -> list[Event]:
    """Read a log up to its last whole line. Raises msgspec.DecodeError for one that is damaged elsewhere."""
    whole = path.read_bytes().rpartition(b"\n")[0] if path.exists() else b""
    return [_EVENT.decode(line) for line in whole.splitlines()]


def read_boots(paths: list[Path], in_damaged_file: frozenset[tuple[str, int]]) -> tuple[list[Boot], int]:
    """Put the lives of a device together, oldest first, and give what waits in the end of the last one.

    Without its `End`, nobody knows that: then it is -1.
    """
    lives = [events for events in map(read_journal, paths) if events]
    offered = Counter(
        (each.boot, each.sequence) for life in lives for each in life if isinstance(each, Offer)
    )
    early = [
        (each.boot, lost)
        for life in lives
        for each in life
        if isinstance(each, Acknowledge)
        for lost in each.early
    ]
    boots = list[Boot]()
    waiting = -1
    for life in lives:
        boot = next(each.boot for each in life if isinstance(each, Began))
        appended = [each for each in life if isinstance(each, Append)]
        ends = [each.waiting for each in life if isinstance(each, End)]
        waiting = ends[-1] if ends else -1
        boots.append(
            Boot(
                boot,
                tuple(
                    Captured(each.sequence, each.camera, each.captured_ms, each.whole, each.coarse)
                    for each in life
                    if isinstance(each, Capture)
                ),
                frozenset(each.sequence for each in appended if each.written),
                frozenset(each.sequence for each in appended if not each.written),
                {sequence: times for (at, sequence), times in offered.items() if at == boot},
                tuple(lost for at, lost in early if at == boot),
                killed=not ends,
                in_damaged_file=frozenset(sequence for at, sequence in in_damaged_file if at == boot),
            )
        )
    return boots, waiting
