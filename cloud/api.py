"""The HTTP interface for programs; the page uses it for its clips.

GET  /api/v1/devices                          all devices, and what they last said of themselves
GET  /api/v1/cameras                          all cameras
GET  /api/v1/segments?camera=T/S/D/C          newest first; limit, before_ms, after_ms
GET  /api/v1/segments/ID                      one
POST /api/v1/segments/ID/render               have it rendered
DELETE /api/v1/segments/ID/render             not any more: it ends within a step of the renderer
GET  /api/v1/clips/ID.mp4, ID.jpg, ID.json    film, poster, provenance; 202 while it is being made
GET  /api/v1/search?q=…                       what captions say (cloud/search_routes.py)
GET  /healthz                                 200 or 503
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Literal

from fastapi import Depends, FastAPI, Header, Query, Request
from fastapi import Path as PathParameter
from fastapi.responses import JSONResponse, Response

from cloud.catalog import MAX_SEGMENTS, CameraView, SegmentView, UnknownCameraError, UnknownSegmentError
from cloud.objects import ObjectsError
from cloud.ranges import RangeError, parse_range
from cloud.store import StoreError
from cloud.telemetry import DeviceView
from cloud.viewing import NoClipError, Viewing

RETRY_AFTER_S = 1

SegmentId = Annotated[int, PathParameter(ge=0, lt=2**31)]
Milliseconds = Annotated[int, Query(ge=0, lt=2**53)]


@dataclass(frozen=True, slots=True)
class Health:
    """Whether all is well; `troubles` names what is not. `messages` counts what came, by outcome."""

    ok: bool
    troubles: Mapping[str, str]
    messages: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request for bytes says of them."""

    byte_range: Annotated[str | None, Header(alias="range")] = None
    if_range: Annotated[str | None, Header()] = None
    if_none_match: Annotated[str | None, Header()] = None


def create_api(viewing: Viewing, health: Callable[[], Health]) -> FastAPI:
    """Make the application. Its documentation page is left out: it would load scripts from elsewhere."""
    app = FastAPI(title="Mirage", docs_url=None, redoc_url=None, openapi_url="/api/v1/openapi.json")
    _add_errors(app)
    _add_lists(app, viewing)
    _add_clips(app, viewing)

    @app.get("/healthz")
    def healthz() -> JSONResponse:
        now = health()
        return JSONResponse(asdict(now), 200 if now.ok else 503)

    return app


def _add_lists(app: FastAPI, viewing: Viewing) -> None:
    @app.get("/api/v1/devices")
    def devices() -> list[DeviceView]:
        return viewing.devices()

    @app.get("/api/v1/cameras")
    def cameras() -> list[CameraView]:
        return viewing.catalog.cameras()

    @app.get("/api/v1/segments")
    def segments(
        camera: str,
        limit: Annotated[int, Query(ge=1, le=MAX_SEGMENTS)] = 100,
        before_ms: Milliseconds | None = None,
        after_ms: Milliseconds | None = None,
    ) -> list[SegmentView]:
        return viewing.catalog.segments(camera, limit=limit, before_ms=before_ms, after_ms=after_ms)

    @app.get("/api/v1/segments/{segment_id}")
    def segment(segment_id: SegmentId) -> SegmentView:
        return viewing.catalog.segment(segment_id)

    @app.post("/api/v1/segments/{segment_id}/render", status_code=202)
    def render(segment_id: SegmentId) -> SegmentView:
        return viewing.ask(segment_id)

    @app.delete("/api/v1/segments/{segment_id}/render")
    def cancel(segment_id: SegmentId) -> SegmentView:
        return viewing.cancel(segment_id)


def _add_clips(app: FastAPI, viewing: Viewing) -> None:
    @app.api_route("/api/v1/clips/{segment_id}.mp4", methods=["GET", "HEAD"])
    def video(segment_id: SegmentId, wish: Annotated[Wish, Depends()]) -> Response:
        return _serve(viewing, segment_id, "video", wish)

    @app.api_route("/api/v1/clips/{segment_id}.jpg", methods=["GET", "HEAD"])
    def poster(segment_id: SegmentId, wish: Annotated[Wish, Depends()]) -> Response:
        return _serve(viewing, segment_id, "poster", wish)

    @app.get("/api/v1/clips/{segment_id}.json")
    def provenance(segment_id: SegmentId) -> JSONResponse:
        segment = viewing.catalog.segment(segment_id)
        if segment.clip is None:
            raise NoClipError(segment)
        return JSONResponse(json.loads(segment.clip.provenance))


def _serve(viewing: Viewing, segment_id: int, kind: Literal["video", "poster"], wish: Wish) -> Response:
    stored = viewing.find(segment_id, kind)
    headers = {"ETag": stored.tag, "Cache-Control": "private, no-cache", "Accept-Ranges": "bytes"}
    if wish.if_none_match == stored.tag:
        return Response(status_code=304, headers=headers)
    span = None
    if wish.byte_range is not None and wish.if_range in (None, stored.tag):
        try:
            span = parse_range(wish.byte_range, stored.size)
        except RangeError:
            return Response(status_code=416, headers=headers | {"Content-Range": f"bytes */{stored.size}"})
    if span is None:
        content = viewing.read(stored, 0, stored.size)
        return Response(content, 200, headers, stored.media_type)
    content = viewing.read(stored, span.start, span.end)
    return Response(content, 206, headers | {"Content-Range": span.content_range}, stored.media_type)


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(UnknownCameraError)
    @app.exception_handler(UnknownSegmentError)
    def unknown(_request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"error": str(error)}, 404)

    @app.exception_handler(NoClipError)
    def no_clip(_request: Request, error: NoClipError) -> JSONResponse:
        segment = error.segment
        if segment.render == "failed":
            return JSONResponse({"error": segment.error, "render": segment.render}, 422)
        if segment.render == "cancelled":
            told = f"cancelled: POST /api/v1/segments/{segment.id}/render asks for it again"
            return JSONResponse({"error": told, "render": segment.render}, 404)
        return JSONResponse({"render": segment.render}, 202, {"Retry-After": str(RETRY_AFTER_S)})

    @app.exception_handler(StoreError)
    @app.exception_handler(ObjectsError)
    def unavailable(_request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"error": str(error)}, 503)
