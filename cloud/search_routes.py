"""GET /api/v1/search: what captions say, by words, place and time, page by page.

q            car "red car" -rain ped*      read by cloud/query.py, and never refused for what it says
where        camera=T/S/D/C, device=T/S/D, site=T/S, tenant=T      all that are given
when         from_ms, to_ms                starts of segments, from the one on and before the other
order        newest; closest puts first, of the newest thousand, what says little else
limit, cursor                              `cursor` of one page asks for the next
"""

from dataclasses import dataclass
from typing import Annotated, TypeAlias

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse, Response

from cloud.search import (
    MAX_RESULTS,
    MAX_TEXT,
    CursorError,
    Order,
    Page,
    Scope,
    Search,
    UnknownPlaceError,
    Wanted,
)

Milliseconds = Annotated[int, Query(ge=0, lt=2**53)]
Path: TypeAlias = str | None

_FOUND = {
    "results": [
        {
            "segment": {
                "id": 4711,
                "camera": "acme/north/jetson-1/gate",
                "sequence": 1203,
                "start_ms": 1_790_000_000_000,
                "duration_ms": 2000,
                "still": False,
                "historical": False,
                "caption": "a red car drives to the left",
                "fault": None,
                "bytes": 231,
                "layers": {"caption": 9, "motion": 14, "appearance-tokens": 196, "header": 12},
                "render": "none",
                "error": None,
                "clip": None,
            },
            "thumbnail": "/api/v1/segments/4711/thumb.jpg",
        }
    ],
    "cursor": "3843995742213118566-0",
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with a request."""

    error: str


@dataclass(frozen=True, slots=True)
class Places:
    """Where to look; everywhere without any."""

    camera: Annotated[Path, Query(examples=["acme/north/jetson-1/gate"])] = None
    device: Annotated[Path, Query(examples=["acme/north/jetson-1"])] = None
    site: Annotated[Path, Query(examples=["acme/north"])] = None
    tenant: Annotated[Path, Query(examples=["acme"])] = None

    def named(self) -> dict[Scope, str]:
        """Give those that are named."""
        given: dict[Scope, Path] = {
            "camera": self.camera, "device": self.device, "site": self.site, "tenant": self.tenant,
        }  # fmt: skip
        return {scope: path for scope, path in given.items() if path is not None}


def search_routes(search: Search) -> APIRouter:
    """Make the route."""
    router = APIRouter()

    @router.get(
        "/api/v1/search",
        response_model=Page,
        responses={
            200: {"content": {"application/json": {"example": _FOUND}}},
            400: _trouble("The cursor is none that a page gave.", "cursor '7-x' is none that a page gave"),
            404: _trouble("There is no such place.", "no camera 'acme/north/jetson-1/gat'"),
            503: _trouble("The store does not answer.", "store sqlite:////…/store.db: database is locked"),
        },
    )
    def find(
        q: Annotated[str, Query(min_length=1, max_length=MAX_TEXT, examples=['"red car" -rain ped*'])],
        places: Annotated[Places, Depends()],
        from_ms: Milliseconds = 0,
        to_ms: Milliseconds = 2**53 - 1,
        order: Order = "newest",
        limit: Annotated[int, Query(ge=1, le=MAX_RESULTS)] = 20,
        cursor: Annotated[str | None, Query(max_length=64)] = None,
    ) -> Page | Response:
        try:
            return search.find(Wanted(q, places.named(), from_ms, to_ms, order, limit, cursor))
        except UnknownPlaceError as error:
            return JSONResponse({"error": str(error)}, 404)
        except CursorError as error:
            return JSONResponse({"error": str(error)}, 400)

    return router


def _trouble(description: str, example: str) -> dict[str, object]:
    content = {"application/json": {"example": {"error": example}}}
    return {"model": Trouble, "description": description, "content": content}
