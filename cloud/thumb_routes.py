"""GET /api/v1/segments/ID/thumb.jpg: a small marked picture for lists; 404 where there is nothing to see."""

from typing import Annotated

from fastapi import APIRouter, Header
from fastapi import Path as PathParameter
from fastapi.responses import Response

from cloud.access.declare import Who, requires
from cloud.access.roles import Role
from cloud.examples import bytes_of
from cloud.problems import UNKNOWN_SEGMENT, Kind, ProblemError, documented
from cloud.thumbs import NoThumbError, Thumbs

_CACHED = "private, max-age=10"  # a clip may take the keyframe's place at any time
_PATH = "/api/v1/segments/{segment_id}/thumb.jpg"
NO_THUMB = Kind(
    "no-thumbnail", 404, "Nothing to see", "It has neither a clip nor a keyframe that can be decoded."
)


def thumb_routes(thumbs: Thumbs) -> APIRouter:
    """Make the route."""
    router = APIRouter()

    @router.head(_PATH, include_in_schema=False, dependencies=[requires(Role.VIEWER)])
    @router.get(
        _PATH,
        response_class=Response,
        responses={**bytes_of("image/jpeg"), **documented(NO_THUMB, UNKNOWN_SEGMENT)},
        dependencies=[requires(Role.VIEWER)],
    )
    def thumb(
        segment_id: Annotated[int, PathParameter(ge=0, lt=2**31)],
        if_none_match: Annotated[str | None, Header()] = None,
        *,
        caller: Who,
    ) -> Response:
        try:
            found = thumbs.thumb(segment_id, caller.role)
        except NoThumbError as error:
            raise ProblemError(NO_THUMB, str(error)) from error
        headers = {"ETag": found.tag, "Cache-Control": _CACHED}
        if if_none_match == found.tag:
            return Response(status_code=304, headers=headers)
        return Response(found.jpeg, 200, headers, "image/jpeg")

    return router
