"""Packets on disk until the cloud has them: SQLite, WAL, synchronous=FULL.

    append --> [ oldest ... newest ] --pending--> uplink
                  '--acknowledge (watermark of the cloud)

A packet is here, unsealed, before the network sees it. Each start of the process is a boot with an
id of its own; what an earlier boot left is kept and sent with that boot's id and birth.
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import structlog

from wire.documents import AckWatermark
from wire.packet import BOOT_ID_BYTES

DEFAULT_MAX_BYTES = 64 * 1024 * 1024

_SCHEMA = """
CREATE TABLE IF NOT EXISTS boots (id BLOB PRIMARY KEY, birth BLOB) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS packets (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    boot BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    camera TEXT NOT NULL,
    body BLOB NOT NULL,
    appended_s REAL NOT NULL,
    UNIQUE (boot, sequence)
);
"""
_ROW_BYTES = 96  # what SQLite keeps beside the body: row, index, page slack

log = structlog.get_logger()


class SpoolError(RuntimeError):
    """The spool cannot be opened or written; the message names its file."""


@dataclass(frozen=True, slots=True)
class Spooled:
    """A packet that waits. `position` orders packets of all boots by age."""

    position: int
    boot_id: bytes
    sequence: int
    camera: str
    body: bytes
    waited_s: float  # since it was appended; meaningless for an earlier boot


@dataclass(frozen=True, slots=True)
class Backlog:
    """How much waits, and how many packets were dropped for room since the process started."""

    packets: int
    body_bytes: int
    dropped: int


class Spool:
    """Safe for several threads. Holds at most `max_bytes`: beyond that the oldest packets are dropped.

    The oldest are dropped because a camera's newest view is worth most; how many is counted.
    """

    def __init__(self, path: Path, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._lock = Lock()
        self._dropped = 0
        self.boot_id = os.urandom(BOOT_ID_BYTES)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=FULL")
            self._database.executescript(_SCHEMA)
            self._forget_finished_boots()
            counted = self._database.execute("SELECT count(*), coalesce(sum(length(body)), 0) FROM packets")
            self._packets, self._body_bytes = counted.fetchone()
        except (OSError, sqlite3.Error) as error:
            raise SpoolError(f"{path}: {error}") from error

    def append(self, sequence: int, camera: str, body: bytes) -> None:
        """Put a packet of this boot on disk, or raise SpoolError."""
        with self._transaction():
            self._database.execute(
                "INSERT INTO packets (boot, sequence, camera, body, appended_s) VALUES (?, ?, ?, ?, ?)",
                (self.boot_id, sequence, camera, body, time.monotonic()),
            )
            self._packets += 1
            self._body_bytes += len(body)
            self._make_room()

    def pending(self, limit: int, after: int = 0) -> list[Spooled]:
        """Up to `limit` packets beyond position `after`, oldest first."""
        with self._transaction():
            rows = self._database.execute(
                "SELECT position, boot, sequence, camera, body, ? - appended_s FROM packets"
                " WHERE position > ? ORDER BY position LIMIT ?",
                (time.monotonic(), after, limit),
            ).fetchall()
        return [Spooled(*row) for row in rows]

    def acknowledge(self, boot_id: bytes, watermark: AckWatermark) -> int:
        """Free what the cloud holds of a boot; returns how many packets that were."""
        starts = [0, *(last + 1 for _, last in watermark.holes)]
        ends = [*(first - 1 for first, _ in watermark.holes), watermark.highest]
        freed = list[int]()
        with self._transaction():
            for first, last in zip(starts, ends, strict=True):
                rows = self._database.execute(
                    "DELETE FROM packets WHERE boot = ? AND sequence BETWEEN ? AND ? RETURNING length(body)",
                    (boot_id, first, last),
                )
                freed += [size for (size,) in rows]
            self._packets -= len(freed)
            self._body_bytes -= sum(freed)
        return len(freed)

    def keep_birth(self, birth: bytes) -> None:
        """Remember this boot's birth for as long as one of its packets waits, restarts included."""
        with self._transaction():
            self._database.execute("INSERT OR REPLACE INTO boots VALUES (?, ?)", (self.boot_id, birth))

    def earlier_births(self) -> list[bytes]:
        """Births of earlier boots of which packets still wait."""
        with self._transaction():
            rows = self._database.execute(
                "SELECT birth FROM boots WHERE id != ? AND id IN (SELECT boot FROM packets)", (self.boot_id,)
            ).fetchall()
        return [birth for (birth,) in rows]

    def backlog(self) -> Backlog:
        """Count what waits."""
        with self._lock:
            return Backlog(self._packets, self._body_bytes, self._dropped)

    def close(self) -> None:
        """Close the file; what waits stays in it."""
        with self._lock:
            self._database.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            try:
                self._database.execute("BEGIN")
                yield
                self._database.execute("COMMIT")
            except sqlite3.Error as error:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise SpoolError(f"{self._path}: {error}") from error

    def _make_room(self) -> None:
        dropped = 0
        while self._packets > 1 and self._body_bytes + self._packets * _ROW_BYTES > self._max_bytes:
            (size,) = self._database.execute(
                "DELETE FROM packets WHERE position = (SELECT min(position) FROM packets)"
                " RETURNING length(body)"
            ).fetchone()
            self._packets -= 1
            self._body_bytes -= size
            dropped += 1
        if dropped:
            self._dropped += dropped
            log.warning("spool is full: oldest packets dropped", packets=dropped, path=str(self._path))

    def _forget_finished_boots(self) -> None:
        self._database.execute("DELETE FROM boots WHERE id NOT IN (SELECT boot FROM packets)")
