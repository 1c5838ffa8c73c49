"""The HTTP interface for programs; the page uses it for its clips.

GET  /api/v1/devices                          all devices, and what they last said of themselves
GET  /api/v1/cameras                          all cameras
GET  /api/v1/segments?camera=T/S/D/C          newest first; limit, before_ms, after_ms, confidence_below
GET  /api/v1/segments/ID                      one
POST /api/v1/segments/ID/render               have it rendered
DELETE /api/v1/segments/ID/render             not any more: it ends within a step of the renderer
GET  /api/v1/clips/ID.mp4, ID.jpg, ID.json    film, poster, provenance (cloud/clip_routes.py)
GET  /api/v1/search?q=…                       what captions say (cloud/search_routes.py)
GET  /healthz                                 200 or 503

Whoever sees only a part of the fleet (cloud/access) gets that part of lists, and 404 of the rest.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated

from fastapi import FastAPI, Query
from fastapi import Path as PathParameter
from fastapi.responses import JSONResponse

from cloud import examples, problems
from cloud.access.asks import Asked
from cloud.access.declare import Locator, MaybeWho, Who, locate, public, requires
from cloud.access.roles import Role
from cloud.catalog import (
    MAX_SEGMENTS,
    CameraView,
    Catalog,
    SegmentView,
    UnknownCameraError,
    UnknownSegmentError,
)
from cloud.clip_routes import clip_routes
from cloud.examples import shown
from cloud.objects import ObjectsError
from cloud.openapi import DESCRIPTION, describe
from cloud.problem_routes import problem_routes
from cloud.problems import UNAVAILABLE, UNKNOWN_PLACE, UNKNOWN_SEGMENT
from cloud.store import StoreError
from cloud.telemetry import DeviceView
from cloud.viewing import Viewing

SegmentId = Annotated[int, PathParameter(ge=0, lt=2**31)]
Milliseconds = Annotated[int, Query(ge=0, lt=2**53)]

_KINDS: Mapping[type[Exception], problems.Kind] = {
    UnknownCameraError: UNKNOWN_PLACE,
    UnknownSegmentError: UNKNOWN_SEGMENT,
    StoreError: UNAVAILABLE,
    ObjectsError: UNAVAILABLE,
}


@dataclass(frozen=True, slots=True)
class Health:
    """Whether all is well; `troubles` names what is not. `messages` counts what came, by outcome."""

    ok: bool
    troubles: Mapping[str, str]
    messages: Mapping[str, int]


def create_api(viewing: Viewing, health: Callable[[], Health]) -> FastAPI:
    """Make the application. Its documentation page is left out: it would load scripts from elsewhere.

    It answers to nobody unless it stands behind a `cloud.access.guard.Guard`, which tells who calls.
    """
    app = FastAPI(
        title="Mirage",
        description=DESCRIPTION,
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    problems.install(app, _KINDS)
    locate(app, "segment_id", _segments_of(viewing.catalog))
    _add_lists(app, viewing)
    _add_segments(app, viewing)
    app.include_router(clip_routes(viewing))
    app.include_router(problem_routes())
    document = describe(app)

    @app.get("/api/v1/openapi.json", dependencies=[requires(Role.VIEWER)], include_in_schema=False)
    def openapi() -> JSONResponse:
        return JSONResponse(document())

    sick = {
        "ok": False,
        "troubles": {"broker": "broker 10.0.0.5:8883: timed out"},
        "messages": {"stored": 812},
    }

    @app.get("/healthz", dependencies=[public()], responses={**shown({"ok": True}), **shown(sick, 503)})
    def healthz(caller: MaybeWho) -> JSONResponse:
        """Tell whether all is well; operators of the whole fleet are told what is not."""
        now = health()
        knows = caller is not None and caller.may(Role.OPERATOR) and caller.scope.is_everything
        return JSONResponse(asdict(now) if knows else {"ok": now.ok}, 200 if now.ok else 503)

    return app


def _add_lists(app: FastAPI, viewing: Viewing) -> None:
    @app.get("/api/v1/devices", dependencies=[requires(Role.VIEWER)], responses=shown([examples.DEVICE]))
    def devices(caller: Who) -> list[DeviceView]:
        return [device for device in viewing.devices() if caller.sees(device.id)]

    @app.get("/api/v1/cameras", dependencies=[requires(Role.VIEWER)], responses=shown([examples.CAMERA]))
    def cameras(caller: Who) -> list[CameraView]:
        return [camera for camera in viewing.catalog.cameras() if caller.sees(camera.id)]

    @app.get("/api/v1/segments", dependencies=[requires(Role.VIEWER)], responses=shown([examples.MADE]))
    def segments(
        camera: Annotated[str, Query(examples=["acme/north/jetson-1/gate"])],
        limit: Annotated[int, Query(ge=1, le=MAX_SEGMENTS)] = 100,
        before_ms: Milliseconds | None = None,
        after_ms: Milliseconds | None = None,
        confidence_below: Annotated[float | None, Query(ge=0, le=1)] = None,
        *,
        caller: Who,
    ) -> list[SegmentView]:
        return viewing.catalog.segments(
            camera,
            limit=limit,
            before_ms=before_ms,
            after_ms=after_ms,
            confidence_below=confidence_below,
            role=caller.role,
        )


def _add_segments(app: FastAPI, viewing: Viewing) -> None:
    @app.get(
        "/api/v1/segments/{segment_id}",
        dependencies=[requires(Role.VIEWER)],
        responses=shown(examples.MADE),
    )
    def segment(segment_id: SegmentId, caller: Who) -> SegmentView:
        return viewing.catalog.segment(segment_id, caller.role)

    @app.post(
        "/api/v1/segments/{segment_id}/render",
        status_code=202,
        dependencies=[requires(Role.VIEWER)],
        responses=shown(examples.QUEUED, 202),
    )
    def render(segment_id: SegmentId, asked: Asked) -> SegmentView:
        return viewing.ask(segment_id, charge=asked.charge, role=asked.caller.role)

    @app.delete(
        "/api/v1/segments/{segment_id}/render",
        dependencies=[requires(Role.OPERATOR)],
        responses=shown(examples.CANCELLED),
    )
    def cancel(segment_id: SegmentId, caller: Who) -> SegmentView:
        return viewing.cancel(segment_id, caller.role)


def _segments_of(catalog: Catalog) -> Locator:
    """Find the cameras of segments, of those that their senders let a role see."""

    def look(value: str, role: Role = Role.ADMIN) -> str | None:
        return catalog.camera_of(int(value), role) if _is_id(value) else None

    # What is no id at all, the route says itself.
    return Locator(
        look, UNKNOWN_SEGMENT, lambda value, role: not _is_id(value) or look(value, role) is not None
    )


def _is_id(value: str) -> bool:
    return value.isascii() and value.isdigit() and len(value) < 11 and int(value) < 2**31
