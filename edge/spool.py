"""Packets on disk until the cloud has them: SQLite, WAL, synchronous=FULL.

    append --> [ oldest ... newest ] --pending--> uplink
       |          '--acknowledge (watermark of the cloud)
       '--> too large, or too old: detail, then the oldest scenes --> gap records, which wait as packets do

A packet is here, unsealed, before the network sees it. Each start of the process is a boot with an
id of its own; what an earlier boot left is kept and sent with that boot's id and birth.

Age counts while the process runs: no clock of the device can be trusted to say how long it was off, and one
that jumps by years would throw everything away.
"""

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import TypeVar

import structlog

from edge import census, spool_file
from edge.reserve import Reserve
from edge.salvage import Current, start_over
from edge.shedding import traits
from edge.shelf import Shelf
from edge.stock import Backlog, Lost, Spooled, joined, size_of
from wire.documents import AckWatermark
from wire.gap import GapReason
from wire.packet import BOOT_ID_BYTES

DEFAULT_MAX_BYTES = 64 * 1024 * 1024
DEFAULT_MAX_AGE_S = 7 * 24 * 3600.0

RETRY_S = 60.0  # after the disk was full, until the spool tries to grow again
_SQUEEZE_BYTES = 64 * 1024  # what is shed at once where the disk is full: it takes room to delete

_Result = TypeVar("_Result")

log = structlog.get_logger()


class SpoolError(RuntimeError):
    """The spool cannot be opened, or is not used as it must be; the message names its file."""


class Spool:
    """Safe for several threads. Holds at most `max_bytes` and `max_age_s`, but always the newest packet.

    Beyond that the oldest detail is shed, then the oldest scenes: a camera's newest view is worth most. A
    full disk makes it smaller for a while, and a damaged file is replaced: neither raises. What cannot be
    written is given up, which is written with the next packet; should the process end before, then its boot
    has no later packet, and simply ends that much earlier.
    """

    def __init__(
        self,
        path: Path,
        max_bytes: int = DEFAULT_MAX_BYTES,
        max_age_s: float = DEFAULT_MAX_AGE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._max_bytes = self._limit_bytes = max_bytes
        self._max_age_s = max_age_s
        self._clock = clock
        self._lock = Lock()
        self._reserve = Reserve(path.with_name(f"{path.name}.reserve"))
        self._lost = list[Lost]()  # what is given up and not written yet
        self._birth: bytes | None = None  # where it is not written yet
        self._current = Current(os.urandom(BOOT_ID_BYTES))
        self._full_s: float | None = None  # when the disk was last found to be full
        self._set_aside = 0
        self._dropped = 0  # unwritten
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._start()
        except (OSError, sqlite3.Error) as error:
            raise SpoolError(f"{path}: {error}") from error

    @property
    def boot_id(self) -> bytes:
        """Names this start of the process."""
        return self._current.boot_id

    def append(self, sequence: int, camera: str, body: bytes) -> None:
        """Put a packet of this boot on disk. Raises SpoolError for a sequence that is there already."""
        with self._lock:
            self._try_to_grow()
            dropped = self._shelf.backlog.dropped
            stored = self._attempt(lambda: self._store(sequence, camera, body))
            for squeeze_bytes in (0, _SQUEEZE_BYTES):
                if stored is None:
                    self._squeeze(squeeze_bytes)
                    stored = self._attempt(lambda: self._store(sequence, camera, body))
            if stored:
                self._lost.clear()
                self._birth = None
            else:
                lost = Lost(
                    self.boot_id, sequence, sequence, GapReason.SPOOL_FULL, camera, traits(body).captured_ms
                )
                self._lost = joined([*self._lost, lost])
                self._dropped += 1
                self._limit_bytes = max(self._limit_bytes, self._shelf.backlog.used_bytes)  # it did not help
            if self._full_s is not None:
                self._shorten_log()  # before it has grown: what is in it needs room in the file
            if dropped := self._shelf.backlog.dropped - dropped:
                log.warning("spool is full: oldest packets dropped", packets=dropped, path=str(self._path))
            self._current = Current(self.boot_id, max(sequence, self._current.last), camera)

    def give_up(self, low: int, high: int, camera: str, captured_ms: int, reason: GapReason) -> None:
        """Note sequences of this boot under which no packet will ever be appended."""
        with self._lock:
            lost = Lost(self.boot_id, low, high, reason, camera, captured_ms)
            written = self._attempt(lambda: self._note([*self._lost, lost]))
            self._lost = [] if written else joined([*self._lost, lost])
            self._current = Current(self.boot_id, max(high, self._current.last), camera)

    def give_up_unreadable(self, position: int) -> None:
        """Give up a packet that nobody could read."""
        with self._lock:
            self._attempt(lambda: self._shelf.give_up_unreadable(position, self._now_s()))

    def pending(self, limit: int, after: int = 0) -> list[Spooled]:
        """Up to `limit` packets and gap records beyond position `after`, oldest first."""
        with self._lock:
            return self._attempt(lambda: self._shelf.read(limit, after, self._now_s())) or []

    def acknowledge(self, boot_id: bytes, watermark: AckWatermark) -> int:
        """Free what the cloud holds of a boot; returns how many packets and gap records that concerned.

        Of a gap of which a part is acknowledged, the rest waits on.
        """
        with self._lock:
            return self._attempt(lambda: self._shelf.free(boot_id, watermark, self._now_s())) or 0

    def keep_birth(self, birth: bytes) -> None:
        """Remember this boot's birth for as long as one of its packets waits, restarts included."""
        with self._lock:
            self._attempt(lambda: self._shelf.keep_birth(self.boot_id, birth))
            self._birth = birth  # once more with the next packet, in case the disk is full

    def earlier_births(self) -> list[bytes]:
        """Births of earlier boots of which packets or gap records still wait."""
        with self._lock:
            return self._attempt(lambda: self._shelf.births(self.boot_id)) or []

    def backlog(self) -> Backlog:
        """Count what waits, and what was given up."""
        with self._lock:
            return replace(
                self._shelf.backlog,
                dropped=self._shelf.backlog.dropped + self._dropped,
                disk_full=self._full_s is not None,
                set_aside=self._set_aside,
            )

    def waiting_through(self, position: int) -> int:
        """Count packets and gap records up to a position."""
        with self._lock:
            return self._attempt(lambda: census.waiting_through(self._database, position)) or 0

    def settled(self, age_s: float) -> int:
        """Give the last position of an earlier boot, or of what has waited for `age_s`; 0 for none."""
        with self._lock:
            before = (self.boot_id, self._now_s() - age_s)
            return self._attempt(lambda: census.settled(self._database, *before)) or 0

    def oldest_s(self) -> float:
        """Tell for how long the oldest packet or gap record has waited."""
        with self._lock:
            appended_s = self._attempt(lambda: census.oldest_s(self._database))
            return 0.0 if appended_s is None else max(self._now_s() - appended_s, 0.0)

    def close(self) -> None:
        """Let go of the file; nothing is lost by not calling it."""
        with self._lock:
            self._database.close()

    def _store(self, sequence: int, camera: str, body: bytes) -> bool:
        shelf, now_s = self._shelf, self._now_s()
        self._note(self._lost)
        room = self._limit_bytes - size_of(body)  # made before it is taken: the disk may be full
        shelf.shed_old(now_s - self._max_age_s, now_s)
        if self._full_s is None:  # it empties no page of the file, and a full disk gives no new one
            shelf.shed_details(room)
        shelf.shed_scenes(room, now_s)
        shelf.add(self.boot_id, sequence, camera, body, now_s)
        return True

    def _note(self, lost: list[Lost]) -> bool:
        """Write what no packet will stand for, and before it the birth if that is not written yet."""
        if self._birth is not None:
            self._shelf.keep_birth(self.boot_id, self._birth)
        for each in lost:
            self._shelf.give_up(each, self._now_s())
        return True

    def _now_s(self) -> float:
        return self._clock() - self._zero_s

    def _start(self) -> None:
        """Open the file, on a full disk too. Raises OSError, sqlite3.Error."""
        try:
            self._open(0)
        except sqlite3.OperationalError as error:
            if "full" not in str(error):
                raise
            self._alarm(str(error))
            self._reserve.release()
            self._open(0)
        if str(self._path) != ":memory:" and not self._reserve.hold():
            self._alarm("there is no room for a reserve")

    def _open(self, given_out: int) -> None:
        """Open the file, or another in its place. Raises OSError, sqlite3.Error."""
        try:
            self._database = spool_file.open_file(self._path)
        except sqlite3.Error as error:
            if not spool_file.is_damage(error) or not self._path.is_file():
                raise
            self._replace(str(error))
            self._database = spool_file.open_file(self._path)
        self._shelf = Shelf(self._database, given_out)
        self._zero_s = self._clock() - self._shelf.youngest_s()
        with self._shelf.transaction():
            self._shelf.forget_finished_boots(but=self.boot_id)

    def _replace(self, reason: str) -> None:
        kept = start_over(self._path, self._current)
        self._lost.clear()  # the new file has them
        self._set_aside += 1
        log.error("spool is damaged: a new one is started", reason=reason, kept=str(kept))

    def _recover(self, reason: str) -> None:
        """Go on with another file, or raise SpoolError."""
        before = self._shelf.backlog
        try:
            self._database.close()
            self._replace(reason)
            self._open(self._shelf.given_out)
        except (OSError, sqlite3.Error) as error:
            raise SpoolError(f"{self._path}: {reason}, and no new one: {error}") from error
        self._shelf.backlog = replace(
            self._shelf.backlog,
            dropped=before.dropped,
            shed_details=before.shed_details,
            shed_bytes=before.shed_bytes,
        )

    def _attempt(self, work: Callable[[], _Result], *, replaced: bool = False) -> _Result | None:
        """Do some work in a transaction; None where the disk does not let it.

        A damaged file is replaced, but if the new one is damaged too: then it is the disk, and SpoolError.
        """
        try:
            with self._shelf.transaction():
                return work()
        except (sqlite3.IntegrityError, sqlite3.ProgrammingError) as error:
            raise SpoolError(f"{self._path}: {error}") from error
        except sqlite3.OperationalError as error:
            self._alarm(str(error))
            return None
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # the latter: it cannot quote the damage
            if replaced:
                raise SpoolError(f"{self._path}: {error}, in a new file too") from error
            self._recover(str(error))
        return self._attempt(work, replaced=True)

    def _alarm(self, reason: str) -> None:
        if self._full_s is None:
            log.error("spool cannot be written: is the disk full?", reason=reason, path=str(self._path))
        self._full_s = self._clock()

    def _squeeze(self, shed_bytes: int) -> None:
        """Make room on a full disk: the reserve, the log of transactions, and then packets."""
        self._reserve.release()
        self._shorten_log()
        used_bytes = self._shelf.backlog.used_bytes
        self._limit_bytes = max(min(self._limit_bytes, used_bytes) - shed_bytes, 0)

    def _shorten_log(self) -> None:
        with contextlib.suppress(sqlite3.OperationalError):  # then it stays as it is
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _try_to_grow(self) -> None:
        """Go back to normal some time after the disk was full, if there is room for the reserve again."""
        if self._full_s is None or self._clock() - self._full_s < RETRY_S:
            return
        if self._reserve.hold():
            self._limit_bytes = self._max_bytes
            self._full_s = None
            log.info("spool may grow again", path=str(self._path))
        else:
            self._full_s = self._clock()
