"""The HTTP interface of streams.

Below /api/v1/cameras/TENANT/SITE/DEVICE/CAMERA:

GET  live.m3u8                        the live view; waits for its first picture a while, then 503
GET  clips.m3u8?from_ms=A&to_ms=B     an interval; grows while it is rendered
GET  live.json                        how the live view is doing
GET  init/ID.mp4, fragments/...       what playlists name; never changes
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, TypeVar

from fastapi import APIRouter, Query
from fastapi import Path as PathParameter
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from cloud import problems
from cloud.access.asks import Asked
from cloud.access.declare import Who, requires
from cloud.access.roles import Role
from cloud.examples import bytes_of, shown
from cloud.hls.boxes import at_time
from cloud.hls.film import FilmError
from cloud.hls.live import Live
from cloud.hls.playlist import GROWING, LIVE, MEDIA_TYPE, TARGET_S, WHOLE, Kind, playlist
from cloud.hls.recorded import IntervalError, Recorded, Recording
from cloud.hls.reel import Fragment
from cloud.hls.report import LiveReport, report
from cloud.objects import MissingObjectError
from cloud.problems import ProblemError, documented

HOLD_S = 10.0  # a request waits so long for what is being rendered; players wait longer
_LOOK_S = 0.1
_PREFIX = "/api/v1/cameras/{tenant}/{site}/{device}/{camera}"
_FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}
_NOW = {"Cache-Control": "no-store"}
_SOON = {"Retry-After": str(TARGET_S)}

_REPORT = {
    "fragments": 812,
    "held": 40,
    "late": 3,
    "failed": 0,
    "discontinuities": 2,
    "recent": [
        {
            "segment": 4711,
            "start_ms": 1_790_000_000_000,
            "stored_ms": 1_790_000_002_100,
            "listed_ms": 1_790_000_005_600,
        }
    ],
}
_PLAYLIST: dict[int | str, dict[str, object]] = {
    200: {
        "description": "An HLS playlist (RFC 8216)",
        "content": {MEDIA_TYPE: {"schema": {"type": "string"}, "example": "#EXTM3U\n#EXT-X-VERSION:7\n…"}},
    }
}

Found = TypeVar("Found")

NOT_YET = problems.Kind(
    "nothing-yet", 503, "Nothing to show yet", "Ask again after as many seconds as Retry-After says."
)
BAD_INTERVAL = problems.Kind(
    "bad-interval", 422, "No such interval", "Ask for a shorter one, or for one that ends later."
)
NOTHING_SEEN = problems.Kind(
    "nothing-seen", 404, "Nothing was seen then", "Look into /api/v1/segments for what was."
)
NO_PART = problems.Kind(
    "no-part", 404, "No such part of a stream", "Fetch the playlist again: what it names is there."
)

Name = Annotated[str, PathParameter(pattern="^[a-z0-9-]{1,32}$")]
Milliseconds = Annotated[int, Query(ge=0, lt=2**53)]
Number = Annotated[int, Query(alias="_HLS_msn", ge=0, lt=2**53)]


def routes(live: Live, recorded: Recorded, hold_s: float = HOLD_S) -> APIRouter:
    """Make the routes. Playlists wait `hold_s` for their first picture."""
    router = APIRouter(prefix=_PREFIX, dependencies=[requires(Role.VIEWER)])
    _add_playlists(router, live, recorded, hold_s)
    _add_parts(router, live)

    @router.get("/live.json", responses=shown(_REPORT))
    def live_report(tenant: Name, site: Name, device: Name, camera: Name, caller: Who) -> LiveReport:
        stream = live.stream(_path(tenant, site, device, camera), caller.role)
        return report(live.ledger, stream, caller.role)

    return router


def _add_playlists(router: APIRouter, live: Live, recorded: Recorded, hold_s: float) -> None:
    @router.get("/live.m3u8", response_class=Response, responses={**_PLAYLIST, **documented(NOT_YET)})
    async def live_playlist(
        tenant: Name, site: Name, device: Name, camera: Name, asked: Asked, at_least: Number = 0
    ) -> Response:
        path = _path(tenant, site, device, camera)
        asked.charge_live(path)
        role = asked.caller.role
        stream = await run_in_threadpool(live.watch, path, role)

        async def look() -> Sequence[Fragment] | None:
            fragments = live.fragments(stream)
            if not fragments or fragments[-1].number < at_least:
                return None
            return await run_in_threadpool(live.shown, stream, role) or None

        fragments = await _awaited(look, live, hold_s) or await run_in_threadpool(live.shown, stream, role)
        if not fragments:
            raise ProblemError(NOT_YET, f"nothing live of {path} yet", headers=_SOON)
        return _text(fragments, LIVE)

    @router.get(
        "/clips.m3u8",
        response_class=Response,
        responses={**_PLAYLIST, **documented(NOT_YET, BAD_INTERVAL, NOTHING_SEEN)},
    )
    async def clips_playlist(
        tenant: Name,
        site: Name,
        device: Name,
        camera: Name,
        from_ms: Milliseconds,
        to_ms: Milliseconds,
        asked: Asked,
    ) -> Response:
        path = _path(tenant, site, device, camera)
        stream = await run_in_threadpool(live.stream, path, asked.caller.role)

        async def look() -> Recording | None:
            now = await run_in_threadpool(
                recorded.recording, stream, from_ms, to_ms, asked.charge, asked.caller.role
            )
            return now if now.whole or now.fragments else None

        try:
            now = await _awaited(look, live, hold_s)
        except IntervalError as error:
            raise ProblemError(BAD_INTERVAL, str(error)) from error
        if now is None:
            raise ProblemError(NOT_YET, f"nothing of {path} is rendered yet", headers=_SOON)
        if not now.fragments:
            raise ProblemError(NOTHING_SEEN, f"nothing of {path} between {from_ms} and {to_ms}")
        return _text(now.fragments, WHOLE if now.whole else GROWING)


async def _awaited(look: Callable[[], Awaitable[Found | None]], live: Live, hold_s: float) -> Found | None:
    """Look until something is found, at most for `hold_s` and while live views are served."""
    end_s = time.monotonic() + hold_s
    # Rounds are another thread's: an event of this loop would have to be set from there.
    while (found := await look()) is None and time.monotonic() < end_s and not live.ended:  # noqa: ASYNC110
        await asyncio.sleep(_LOOK_S)
    return found


def _add_parts(router: APIRouter, live: Live) -> None:
    @router.get(
        "/init/{init_id}.mp4",
        response_class=Response,
        responses={**bytes_of("video/mp4"), **documented(NO_PART)},
    )
    def init(
        tenant: Name,
        site: Name,
        device: Name,
        camera: Name,
        init_id: Annotated[str, PathParameter(pattern="^[0-9a-f]{16}$")],
    ) -> Response:
        live.ledger.camera_id(_path(tenant, site, device, camera))
        try:
            return Response(live.films.init(init_id), media_type="video/mp4", headers=_FOREVER)
        except MissingObjectError as error:
            raise ProblemError(NO_PART, f"no init segment {init_id}") from error

    @router.get(
        "/fragments/{segment_id}/{tag}/{piece}.m4s",
        response_class=Response,
        responses={**bytes_of("video/mp4"), **documented(NO_PART)},
    )
    def fragment(
        tenant: Name,
        site: Name,
        device: Name,
        camera: Name,
        segment_id: Annotated[int, PathParameter(ge=0, lt=2**31)],
        tag: Annotated[str, PathParameter(pattern="^[0-9a-f]{16}$")],
        piece: Annotated[str, PathParameter(pattern="^([0-9]{1,4}|hold)$")],
        t: Annotated[int, Query(ge=0, lt=2**62)] = 0,
        *,
        caller: Who,
    ) -> Response:
        stream = live.stream(_path(tenant, site, device, camera), caller.role)
        clip = live.ledger.clip(stream, segment_id, tag)
        if clip is None:
            raise ProblemError(NO_PART, f"segment {segment_id} has no clip {tag}")
        try:
            film = live.films.held(clip) if piece == "hold" else live.films.film(clip)
            data = film.pieces[0 if piece == "hold" else int(piece)].data
        except (FilmError, IndexError) as error:
            raise ProblemError(NO_PART, f"clip {tag} has no piece {piece}") from error
        return Response(at_time(data, t), media_type="video/mp4", headers=_FOREVER)


def _text(fragments: Sequence[Fragment], kind: Kind) -> Response:
    return Response(playlist(fragments, kind), media_type=MEDIA_TYPE, headers=_NOW)


def _path(tenant: str, site: str, device: str, camera: str) -> str:
    return f"{tenant}/{site}/{device}/{camera}"
