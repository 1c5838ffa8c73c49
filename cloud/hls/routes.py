"""The HTTP interface of streams.

Below /api/v1/cameras/TENANT/SITE/DEVICE/CAMERA:

GET  live.m3u8                        the live view; waits for its first picture a while, then 503
GET  clips.m3u8?from_ms=A&to_ms=B     an interval; grows while it is rendered
GET  live.json                        how the live view is doing
GET  init/ID.mp4, fragments/...       what playlists name; never changes
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, TypeVar

from fastapi import APIRouter, Query
from fastapi import Path as PathParameter
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response

from cloud.hls.boxes import at_time
from cloud.hls.film import FilmError
from cloud.hls.live import Live
from cloud.hls.playlist import GROWING, LIVE, MEDIA_TYPE, TARGET_S, WHOLE, Kind, playlist
from cloud.hls.recorded import IntervalError, Recorded, Recording
from cloud.hls.reel import Fragment
from cloud.hls.report import LiveReport, report
from cloud.objects import MissingObjectError

HOLD_S = 10.0  # a request waits so long for what is being rendered; players wait longer
_LOOK_S = 0.1
_PREFIX = "/api/v1/cameras/{tenant}/{site}/{device}/{camera}"
_FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}
_NOW = {"Cache-Control": "no-store"}
_SOON = {"Retry-After": str(TARGET_S)}

Found = TypeVar("Found")

Name = Annotated[str, PathParameter(pattern="^[a-z0-9-]{1,32}$")]
Milliseconds = Annotated[int, Query(ge=0, lt=2**53)]
Number = Annotated[int, Query(alias="_HLS_msn", ge=0, lt=2**53)]


def routes(live: Live, recorded: Recorded, hold_s: float = HOLD_S) -> APIRouter:
    """Make the routes. Playlists wait `hold_s` for their first picture."""
    router = APIRouter(prefix=_PREFIX)
    _add_playlists(router, live, recorded, hold_s)
    _add_parts(router, live)

    @router.get("/live.json")
    def live_report(tenant: Name, site: Name, device: Name, camera: Name) -> LiveReport:
        return report(live.ledger, _path(tenant, site, device, camera))

    return router


def _add_playlists(router: APIRouter, live: Live, recorded: Recorded, hold_s: float) -> None:
    @router.get("/live.m3u8")
    async def live_playlist(
        tenant: Name, site: Name, device: Name, camera: Name, at_least: Number = 0
    ) -> Response:
        path = _path(tenant, site, device, camera)
        camera_id = await run_in_threadpool(live.watch, path)

        async def look() -> Sequence[Fragment] | None:
            fragments = live.fragments(camera_id)
            return fragments if fragments and fragments[-1].number >= at_least else None

        fragments = await _awaited(look, live, hold_s) or live.fragments(camera_id)
        if not fragments:
            return _error(503, f"nothing live of {path} yet", _SOON)
        return _text(fragments, LIVE)

    @router.get("/clips.m3u8")
    async def clips_playlist(
        tenant: Name, site: Name, device: Name, camera: Name, from_ms: Milliseconds, to_ms: Milliseconds
    ) -> Response:
        path = _path(tenant, site, device, camera)
        camera_id = await run_in_threadpool(live.ledger.camera_id, path)

        async def look() -> Recording | None:
            now = await run_in_threadpool(recorded.recording, camera_id, from_ms, to_ms)
            return now if now.whole or now.fragments else None

        try:
            now = await _awaited(look, live, hold_s)
        except IntervalError as error:
            return _error(422, str(error))
        if now is None:
            return _error(503, f"nothing of {path} is rendered yet", _SOON)
        if not now.fragments:
            return _error(404, f"nothing of {path} between {from_ms} and {to_ms}")
        return _text(now.fragments, WHOLE if now.whole else GROWING)


async def _awaited(look: Callable[[], Awaitable[Found | None]], live: Live, hold_s: float) -> Found | None:
    """Look until something is found, at most for `hold_s` and while live views are served."""
    end_s = time.monotonic() + hold_s
    # Rounds are another thread's: an event of this loop would have to be set from there.
    while (found := await look()) is None and time.monotonic() < end_s and not live.ended:  # noqa: ASYNC110
        await asyncio.sleep(_LOOK_S)
    return found


def _add_parts(router: APIRouter, live: Live) -> None:
    @router.get("/init/{init_id}.mp4")
    def init(init_id: Annotated[str, PathParameter(pattern="^[0-9a-f]{16}$")]) -> Response:
        try:
            return Response(live.films.init(init_id), media_type="video/mp4", headers=_FOREVER)
        except MissingObjectError:
            return _error(404, f"no init segment {init_id}")

    @router.get("/fragments/{segment_id}/{tag}/{piece}.m4s")
    def fragment(
        tenant: Name,
        site: Name,
        device: Name,
        camera: Name,
        segment_id: Annotated[int, PathParameter(ge=0, lt=2**31)],
        tag: Annotated[str, PathParameter(pattern="^[0-9a-f]{16}$")],
        piece: Annotated[str, PathParameter(pattern="^([0-9]{1,4}|hold)$")],
        t: Annotated[int, Query(ge=0, lt=2**62)] = 0,
    ) -> Response:
        camera_id = live.ledger.camera_id(_path(tenant, site, device, camera))
        clip = live.ledger.clip(camera_id, segment_id, tag)
        if clip is None:
            return _error(404, f"segment {segment_id} has no clip {tag}")
        try:
            film = live.films.held(clip) if piece == "hold" else live.films.film(clip)
            data = film.pieces[0 if piece == "hold" else int(piece)].data
        except (FilmError, IndexError):
            return _error(404, f"clip {tag} has no piece {piece}")
        return Response(at_time(data, t), media_type="video/mp4", headers=_FOREVER)


def _text(fragments: Sequence[Fragment], kind: Kind) -> Response:
    return Response(playlist(fragments, kind), media_type=MEDIA_TYPE, headers=_NOW)


def _error(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"error": message}, status, headers)


def _path(tenant: str, site: str, device: str, camera: str) -> str:
    return f"{tenant}/{site}/{device}/{camera}"
