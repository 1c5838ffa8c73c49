"""Serves signed releases to devices out of a folder, beside enrolment: what `mirage deploy release -o` makes.

GET /v1/releases/ID/{release.json, index.json, packs/whole.pack, packs/BASE.pack}     with Range and ETag

They are signed, not secret: nobody is asked who they are. At most so many are sent at once, to one address a
share of them: whoever fetches slowly leaves room for those who enrol, and for others who fetch. How slowly
that may be is said by cloud/identity/connection.py.
"""

import re
import stat
from collections import Counter
from collections.abc import Awaitable, Callable
from os import stat_result
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse
from starlette.types import Receive, Scope, Send

from cloud.access.declare import public
from cloud.problems import NOT_FOUND, Kind, ProblemError

PREFIX = "/v1/releases/"
BUSY = Kind("busy", 503, "Too many downloads", "Ask again after as many seconds as Retry-After says.")
_AGAIN_S = 60
_ID = re.compile(r"[0-9a-f]{16}")
_DOCUMENTS = ("release.json", "index.json")

Admit = Callable[[Request], Awaitable[str]]


class Downloads:
    """Counts files that are being sent: `most` at once, `most_each` of them to one address."""

    def __init__(self, most: int, most_each: int) -> None:
        self._most = most
        self._most_each = most_each
        self._now = Counter[str]()

    def begin(self, address: str) -> None:
        """Count one more, or raise ProblemError."""
        total, own = self._now.total(), self._now[address]
        if total >= self._most:
            raise _busy(f"{total} files are being sent")
        if own >= self._most_each:
            raise _busy(f"{own} files are being sent to {address}, which is its share")
        self._now[address] += 1

    def end(self, address: str) -> None:
        self._now[address] -= 1
        if not self._now[address]:
            del self._now[address]


def _busy(detail: str) -> ProblemError:
    return ProblemError(BUSY, detail, headers={"Retry-After": str(_AGAIN_S)})


class _Sent(FileResponse):
    """A file that counts as a download of an address while it is sent."""

    def __init__(
        self, path: Path, found: stat_result, media_type: str, downloads: Downloads, address: str
    ) -> None:
        super().__init__(path, media_type=media_type, stat_result=found)
        self._downloads = downloads
        self._address = address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._downloads.begin(self._address)
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._downloads.end(self._address)


def add_releases(app: FastAPI, folder: Path, admit: Admit, downloads: Downloads) -> None:
    """Add the routes; `admit` gives the address that asks, or raises ProblemError where it has to wait."""

    @app.api_route(PREFIX + "{release}/{name}", methods=["GET", "HEAD"], dependencies=[public()])
    async def document(request: Request, release: str, name: str) -> FileResponse:
        address = await admit(request)
        known = _ID.fullmatch(release) and name in _DOCUMENTS
        path = folder / release / name if known else None
        return _Sent(*await _file(request, path), "application/json", downloads, address)

    @app.api_route(PREFIX + "{release}/packs/{name}.pack", methods=["GET", "HEAD"], dependencies=[public()])
    async def pack(request: Request, release: str, name: str) -> FileResponse:
        address = await admit(request)
        known = _ID.fullmatch(release) and (name == "whole" or _ID.fullmatch(name))
        path = folder / release / "packs" / f"{name}.pack" if known else None
        return _Sent(*await _file(request, path), "application/octet-stream", downloads, address)


async def _file(request: Request, path: Path | None) -> tuple[Path, stat_result]:
    """Find a file, or raise ProblemError. No path is made of anything but ids and names that are known."""
    found = None if path is None else await run_in_threadpool(_status, path)
    if path is None or found is None:
        raise ProblemError(NOT_FOUND, f"no release has {request.url.path[:200]}")
    return path, found


def _status(path: Path) -> stat_result | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found if stat.S_ISREG(found.st_mode) else None
