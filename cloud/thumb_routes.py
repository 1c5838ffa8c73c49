"""GET /api/v1/segments/ID/thumb.jpg: a small marked picture for lists; 404 where there is nothing to see."""

from typing import Annotated

from fastapi import APIRouter, Header
from fastapi import Path as PathParameter
from fastapi.responses import JSONResponse, Response

from cloud.thumbs import NoThumbError, Thumbs

_CACHED = "private, max-age=10"  # a clip may take the keyframe's place at any time


def thumb_routes(thumbs: Thumbs) -> APIRouter:
    """Make the route."""
    router = APIRouter()

    @router.api_route("/api/v1/segments/{segment_id}/thumb.jpg", methods=["GET", "HEAD"])
    def thumb(
        segment_id: Annotated[int, PathParameter(ge=0, lt=2**31)],
        if_none_match: Annotated[str | None, Header()] = None,
    ) -> Response:
        try:
            found = thumbs.thumb(segment_id)
        except NoThumbError as error:
            return JSONResponse({"error": str(error)}, 404)
        headers = {"ETag": found.tag, "Cache-Control": _CACHED}
        if if_none_match == found.tag:
            return Response(status_code=304, headers=headers)
        return Response(found.jpeg, 200, headers, "image/jpeg")

    return router
