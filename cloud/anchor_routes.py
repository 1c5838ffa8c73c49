"""Anchors: reference pictures that clips of a camera are made with (`cloud.anchor_book`). For operators.

GET    /api/v1/anchors                        those of the caller's cameras, but for roles above the caller's
POST   /api/v1/anchors?kind=place&camera=…    the body is a picture file: JPEG, PNG or WebP; word, role, name
GET    /api/v1/anchors/ID/picture             what is kept of it, as JPEG
DELETE /api/v1/anchors/ID                     clips are made anew without it
"""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi import Path as PathParameter
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from cloud.access.declare import Who, requires
from cloud.access.roles import Caller, Role
from cloud.anchor_book import EVERY, MAX_BYTES, Anchor, AnchorBook, Kind, Use
from cloud.examples import bytes_of
from cloud.problems import Kind as Problem
from cloud.problems import ProblemError, documented
from cloud.render.anchors import AnchorError

UNKNOWN_ANCHOR = Problem(
    "unknown-anchor", 404, "No such anchor", "GET /api/v1/anchors lists those there are."
)
UNUSABLE_ANCHOR = Problem("unusable-anchor", 422, "This cannot be an anchor", "Do what the detail says.")

_EXAMPLE = {
    "id": 3,
    "sha256": "9c1d0f7be5a2483c6d4e8f90b1a2c3d4e5f60718293a4b5c6d7e8f9001122334",
    "kind": "place",
    "camera": "acme/north/jetson-1/gate",
    "word": "",
    "role": "viewer",
    "name": "gate-by-day.jpg",
    "width": 1920,
    "height": 1080,
    "size": 402_113,
    "added_ms": 1_790_000_300_000,
}
AnchorId = Annotated[int, PathParameter(ge=0, lt=2**31)]
Pattern = Annotated[str, Query(max_length=160, examples=["acme/north/jetson-1/gate"])]


def anchor_routes(book: AnchorBook) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/api/v1/anchors")

    @router.get("", dependencies=[requires(Role.OPERATOR)], responses={200: _example([_EXAMPLE])})
    def listed(caller: Who) -> list[Anchor]:
        return [each for each in book.listed() if each.is_shown_to(caller)]

    @router.post(
        "",
        status_code=201,
        dependencies=[requires(Role.OPERATOR)],
        responses={201: _example(_EXAMPLE), **documented(UNUSABLE_ANCHOR)},
    )
    async def add(
        request: Request,
        caller: Who,
        kind: Kind = "place",
        camera: Pattern = EVERY,
        word: Annotated[str, Query(max_length=64)] = "",
        role: Literal["viewer", "operator", "admin"] = "viewer",
        name: Annotated[str, Query(max_length=120)] = "",
    ) -> Anchor:
        try:
            use = _allowed(Use(kind, camera, word, Role[role.upper()]), caller)
            data = await _body(request)
            return await run_in_threadpool(book.add, data, use, name)
        except AnchorError as error:
            raise ProblemError(UNUSABLE_ANCHOR, str(error)) from error

    @router.get(
        "/{anchor_id}/picture",
        response_class=Response,
        dependencies=[requires(Role.OPERATOR, free=("anchor_id",))],
        responses={**bytes_of("image/jpeg"), **documented(UNKNOWN_ANCHOR)},
    )
    def picture(anchor_id: AnchorId, caller: Who) -> Response:
        try:
            data = book.jpeg(_seen(book, anchor_id, caller).sha256)
        except AnchorError as error:
            raise ProblemError(UNKNOWN_ANCHOR, str(error)) from error
        return Response(data, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})

    @router.delete(
        "/{anchor_id}",
        status_code=204,
        dependencies=[requires(Role.OPERATOR, free=("anchor_id",))],
        responses=documented(UNKNOWN_ANCHOR),
    )
    def remove(anchor_id: AnchorId, caller: Who) -> None:
        book.remove(_seen(book, anchor_id, caller).id)

    return router


def _allowed(use: Use, caller: Caller) -> Use:
    """Give a use back that is within the caller's scope and role, or raise AnchorError."""
    if not caller.sees(use.camera):
        raise AnchorError(f"camera {use.camera!r}: is not all within {caller.scope.path}")
    if not caller.may(use.role):
        raise AnchorError(f"role {use.role.label!r}: is above yours, {caller.role.label}")
    return use


async def _body(request: Request) -> bytes:
    """Read a picture file, or raise AnchorError once it is too long."""
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > MAX_BYTES:
            raise AnchorError(f"more than {MAX_BYTES:,} bytes, which is the limit")
    if not data:
        raise AnchorError("the request has no body: send a picture file")
    return bytes(data)


def _seen(book: AnchorBook, anchor_id: int, caller: Caller) -> Anchor:
    found = next((each for each in book.listed() if each.id == anchor_id), None)
    if found is None or not found.is_shown_to(caller):
        raise ProblemError(UNKNOWN_ANCHOR, f"no anchor {anchor_id}")
    return found


def _example(example: object) -> dict[str, object]:
    return {"content": {"application/json": {"example": example}}}
