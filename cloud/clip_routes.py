"""GET /api/v1/clips/ID.mp4, ID.jpg, ID.json: film, poster, provenance; 202 while they are being made."""

import json
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header
from fastapi import Path as PathParameter
from fastapi.responses import JSONResponse, Response

from cloud.access.asks import Asked, Asking
from cloud.access.declare import Who, requires
from cloud.access.roles import Role
from cloud.examples import CONSTRAINTS, MAKING, bytes_of, shown
from cloud.problems import Kind, ProblemError, documented
from cloud.ranges import RangeError, parse_range
from cloud.viewing import NoClipError, Viewing

RETRY_AFTER_S = 1

SegmentId = Annotated[int, PathParameter(ge=0, lt=2**31)]

RENDER_FAILED = Kind(
    "render-failed", 422, "The clip cannot be made",
    "`detail` says why; POST /api/v1/segments/ID/render tries again.", {"render": "failed"},
)  # fmt: skip
RENDER_CANCELLED = Kind(
    "render-cancelled", 404, "Nobody waits for this clip any more",
    "POST /api/v1/segments/ID/render asks for it again.", {"render": "cancelled"},
)  # fmt: skip
NO_SUCH_RANGE = Kind("no-such-range", 416, "Beyond the end", "Content-Range says how many bytes there are.")


_PROVENANCE = {
    "notice": "AI-reconstructed from a description; not a recording",
    "camera": "acme/north/jetson-1/gate",
    "boot": "00000000000000a1",
    "segment": 1203,
    "source": [1280, 720, 25.0],
    "bundle": "5b0f5d4c2d5f3f0c9a6f2b9e1f5a7d0c4e8b6a1d9c3f7e2b0a4d8c6e1f3b5a79",
    "renderer": "preview-1",
    "policy": {
        "long_side_px": 256,
        "steps": None,
        "fps": None,
        "frames": None,
        "guidance": None,
        "style_prompt": "",
        "negative_prompt": "",
        "anchors": [],
        "planes": None,
        "stand_in": None,
    },
    "seed": 0,
    "packets": [1201, 1202, 1203],
    "packets_bytes": 412,
    "packets_sha256": "9c1d0f7be5a2483c6d4e8f90b1a2c3d4e5f60718293a4b5c6d7e8f9001122334",
    "continues": None,
    "constraints": CONSTRAINTS,
    "clip": {"sha256": "b1c7f0a29d3e4856c2d4e6f8091a2b3c4d5e6f708192a3b4c5d6e7f80912a3b4", "bytes": 46_102},
    "confidence": {"score": 0.98, "measure": "tokens-1", "likeness": 0.9712, "at_ms": 1031, "planes": [0.97]},
    "signature": {
        "algorithm": "Ed25519",
        "key": "9f86d081884c7d65",
        "value": "hgyY0il+MGCjP0JzlnLWG+PPOt7+09PGcvMg3AIbQR6d0BcJ4SBpJ0LpvHqQTVHnBwyhQKFxNbMzYgMwyAqsDQ==",
    },
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request for bytes says of them."""

    byte_range: Annotated[str | None, Header(alias="range")] = None
    if_range: Annotated[str | None, Header()] = None
    if_none_match: Annotated[str | None, Header()] = None


def clip_routes(viewing: Viewing) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/api/v1/clips", dependencies=[requires(Role.VIEWER)])

    no_clip = (RENDER_FAILED, RENDER_CANCELLED)
    made = {**shown(MAKING, 202), **documented(*no_clip, NO_SUCH_RANGE)}

    @router.head("/{segment_id}.mp4", include_in_schema=False)
    @router.get(
        "/{segment_id}.mp4", response_class=Response, responses={**bytes_of("video/mp4", 200, 206), **made}
    )
    def video(segment_id: SegmentId, wish: Annotated[Wish, Depends()], asked: Asked) -> Response:
        return _serve(viewing, segment_id, "video", wish, asked)

    @router.head("/{segment_id}.jpg", include_in_schema=False)
    @router.get(
        "/{segment_id}.jpg", response_class=Response, responses={**bytes_of("image/jpeg", 200, 206), **made}
    )
    def poster(segment_id: SegmentId, wish: Annotated[Wish, Depends()], asked: Asked) -> Response:
        return _serve(viewing, segment_id, "poster", wish, asked)

    @router.get(
        "/{segment_id}.json", responses={**shown(_PROVENANCE), **shown(MAKING, 202), **documented(*no_clip)}
    )
    def provenance(segment_id: SegmentId, caller: Who) -> Response:
        segment = viewing.catalog.segment(segment_id, caller.role)
        if segment.clip is None:
            return _no_clip(NoClipError(segment))
        return JSONResponse(json.loads(segment.clip.document or segment.clip.provenance))

    return router


def _serve(
    viewing: Viewing, segment_id: int, kind: Literal["video", "poster"], wish: Wish, asked: Asking
) -> Response:
    try:
        stored = viewing.find(segment_id, kind, asked.charge, asked.caller.role)
    except NoClipError as error:
        return _no_clip(error)
    headers = {"ETag": stored.tag, "Cache-Control": "private, no-cache", "Accept-Ranges": "bytes"}
    if wish.if_none_match == stored.tag:
        return Response(status_code=304, headers=headers)
    span = None
    if wish.byte_range is not None and wish.if_range in (None, stored.tag):
        try:
            span = parse_range(wish.byte_range, stored.size)
        except RangeError as error:
            told = f"{wish.byte_range!r} is beyond the {stored.size} bytes there are"
            headers |= {"Content-Range": f"bytes */{stored.size}"}
            raise ProblemError(NO_SUCH_RANGE, told, headers=headers) from error
    if span is None:
        content = viewing.read(stored, 0, stored.size)
        return Response(content, 200, headers, stored.media_type)
    content = viewing.read(stored, span.start, span.end)
    return Response(content, 206, headers | {"Content-Range": span.content_range}, stored.media_type)


def _no_clip(error: NoClipError) -> Response:
    """Say how far a clip is. Raises ProblemError where nothing more will come of itself."""
    segment = error.segment
    if segment.render == "failed":
        raise ProblemError(RENDER_FAILED, str(segment.error), render=segment.render) from error
    if segment.render == "cancelled":
        told = f"cancelled: POST /api/v1/segments/{segment.id}/render asks for it again"
        raise ProblemError(RENDER_CANCELLED, told, render=segment.render) from error
    return JSONResponse({"render": segment.render}, 202, {"Retry-After": str(RETRY_AFTER_S)})
