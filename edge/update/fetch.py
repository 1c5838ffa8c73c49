"""A file over a link that is metered, slow and breaks: in pieces, at a rate, within a budget.

    GET, Range --> part (on disk, goes on where it ended) --> whole, as long as it was said to be
        every 128 KiB: the bytes to come are counted in the state *before* they flow, then the part is synced

So a cut never loses what was spent, and a link that breaks for ever cannot spend more than the budget.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import structlog

from edge.backoff import Backoff
from edge.bucket import Bucket
from edge.enrolment_client import RefusedError, UnreachableError
from edge.update.client import Answer, Client
from edge.update.machine import Machine

BLOCK = 131_072  # bytes
LIMIT_S = 900.0  # between two attempts, at most
_CHUNK = 16_384
_LEAST_CHUNK = 512
_AROUND = 1.1  # bytes of the link for one of content: headers, receipts, TLS
_OPENING = 8192  # bytes of the link to open a connection
_ETAG = re.compile(r'"[!#-~]{0,200}"')  # RFC 9110, 8.8.3; what else a server sends is not sent back
_LOOK_S = 5.0  # between two looks whether this is still wanted

log = structlog.get_logger()

_Result = TypeVar("_Result")
Keep = Callable[[int], None]
Check = Callable[[], None]


class SpentError(RefusedError):
    """The byte budget is used up, or would not do."""


class Purse:
    """What one order may take of the link. `keep` writes down, durably, what may have been spent by then."""

    def __init__(self, client: Client, budget: int | None, spent: int, keep: Keep) -> None:
        self._client = client
        self._before = spent - client.spent
        self._budget = budget
        self._kept = spent
        self._keep = keep

    @property
    def spent(self) -> int:
        return self._before + self._client.spent

    def expect(self, size: int) -> None:
        """Raise SpentError unless a file of so many bytes can be had."""
        self._check(round(size * _AROUND) + _OPENING)

    def count_ahead(self, size: int) -> bool:
        """Note that about `size` bytes come next; True if that was written down. Raises SpentError."""
        ahead = round(size * _AROUND) + _OPENING
        self._check(ahead)
        if self.spent + ahead <= self._kept:
            return False
        self._kept = self.spent + ahead + BLOCK
        self._keep(self._kept)
        return True

    def settle(self) -> None:
        """Write down what was spent, no more."""
        if self._kept != self.spent:
            self._kept = self.spent
            self._keep(self._kept)

    def _check(self, ahead: int) -> None:
        if self._budget is not None and self.spent + ahead > self._budget:
            spent = f"{self.spent} of update.byte_budget = {self._budget} are spent"
            raise SpentError(f"about {ahead} bytes of the link are still needed, and {spent}")


class Fetcher:
    """Gets files. `check` raises where what is fetched is wanted no more, or all is to end."""

    def __init__(
        self,
        client: Client,
        machine: Machine,
        rate: float | None,
        check: Check,
        backoff: Backoff | None = None,
    ) -> None:
        self._client = client
        self._machine = machine
        self._chunk = _CHUNK if rate is None else max(min(_CHUNK, int(rate)), _LEAST_CHUNK)
        self._bucket = Bucket(rate, self._chunk)
        self._check = check
        self._backoff = backoff or Backoff(2.0, LIMIT_S)

    def small(self, path: str, most: int, purse: Purse) -> bytes:
        """Get a file of at most `most` bytes, whole. Raises RefusedError."""
        return self._patiently(lambda: self._whole(path, most, purse), purse)

    def large(self, path: str, part: Path, size: int, purse: Purse) -> None:
        """Gather a file of `size` bytes in `part`, from where that ends. Raises RefusedError, OSError."""
        self._patiently(lambda: self._piece(path, part, size, purse), purse)

    def _patiently(self, ask: Callable[[], _Result], purse: Purse) -> _Result:
        try:
            while True:
                self._check()
                purse.count_ahead(0)
                try:
                    return ask()
                except UnreachableError as error:
                    self._pause(error)
        finally:
            purse.settle()

    def _pause(self, error: UnreachableError) -> None:
        delay_s = max(self._backoff.next_delay_s(), error.wait_s)
        log.warning("an update is not fetched yet", reason=str(error), next_try_s=round(delay_s, 1))
        until_s = self._machine.now_s() + delay_s
        while (left_s := until_s - self._machine.now_s()) > 0:
            self._machine.wait(min(left_s, _LOOK_S))
            self._check()

    def _whole(self, path: str, most: int, purse: Purse) -> bytes:
        with self._client.get(path) as answer:
            data = bytearray()
            while part := answer.read(min(self._chunk, most + 1 - len(data))):
                data += part
                purse.count_ahead(self._chunk)
                if len(data) > most:
                    raise RefusedError(f"{path}: the server sends more than {most} bytes")
            said = answer.place.size
        if said is not None and len(data) < said:
            raise UnreachableError(f"{path}: cut off at {len(data)} of {said} bytes")
        return bytes(data)

    def _piece(self, path: str, part: Path, size: int, purse: Purse) -> None:
        have = part.stat().st_size if part.exists() else 0
        if have > size:
            part.unlink()
            have = 0
        if have == size:
            return
        purse.expect(size - have)  # or what is under way when the purse is empty would come on top
        beside = part.with_name(f"{part.name}.etag")
        etag = _etag(beside) if have else None
        with self._client.get(path, have, etag) as answer:
            have = self._begin(path, answer, have, size)
            purse.expect(size - have)
            beside.unlink(missing_ok=True)
            if answer.place.etag is not None and _ETAG.fullmatch(answer.place.etag):
                beside.write_text(answer.place.etag, "ascii")
            with part.open("r+b" if have else "wb", buffering=0) as file:
                file.seek(have)
                have += self._gather(answer, file.fileno(), size - have, purse)
        if have < size:
            raise UnreachableError(f"{path}: cut off at {have} of {size} bytes")

    def _begin(self, path: str, answer: Answer, have: int, size: int) -> int:
        """Say where what comes begins. Raises RefusedError where it is of another file."""
        place = answer.place
        if place.size is not None and place.size != size:
            raise RefusedError(f"{path}: the server has {place.size} bytes, the index says {size}")
        if have and place.start == 0:
            log.info("the server begins anew", path=path, had=have)
        if place.start not in (0, have):
            raise RefusedError(f"{path}: asked from byte {have} on, the server sends from {place.start} on")
        return place.start

    def _gather(self, answer: Answer, descriptor: int, left: int, purse: Purse) -> int:
        """Write what comes, at most `left` bytes; gives how many. A link that breaks ends it, too."""
        got = 0
        try:
            while got < left:
                self._pace()
                if purse.count_ahead(self._chunk):
                    os.fsync(descriptor)
                    self._check()
                part = answer.read(min(self._chunk, left - got))
                if not part:
                    break
                self._bucket.take(len(part), self._machine.now_s())
                _write(descriptor, part)
                got += len(part)
                self._backoff.reset()
        except UnreachableError as error:
            log.info("the link broke", reason=str(error), got=got)
        finally:
            os.fsync(descriptor)
        return got

    def _pace(self) -> None:
        while not self._bucket.admits(self._chunk, self._machine.now_s()):
            self._machine.wait(0.05)
            self._check()


def _etag(path: Path) -> str | None:
    """Read what the server called the file; None where nothing is noted, or a cut left something else."""
    try:
        said = path.read_text("ascii", "replace")
    except OSError:
        return None
    return said if _ETAG.fullmatch(said) else None


def _write(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]
