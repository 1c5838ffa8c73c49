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

from cloud.access.declare import Who, requires
from cloud.access.roles import Role
from cloud.examples import SEGMENT, shown
from cloud.problems import UNKNOWN_PLACE, Kind, ProblemError, documented
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
    "results": [{"segment": SEGMENT, "thumbnail": "/api/v1/segments/4711/thumb.jpg"}],
    "cursor": "3843995742213118566-0",
}


BAD_CURSOR = Kind("bad-cursor", 400, "No such cursor", "Begin again without `cursor`.")


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
        responses={
            **shown(_FOUND),
            **documented(BAD_CURSOR, UNKNOWN_PLACE),
        },
        dependencies=[requires(Role.VIEWER)],
    )
    def find(
        q: Annotated[str, Query(min_length=1, max_length=MAX_TEXT, examples=['"red car" -rain ped*'])],
        places: Annotated[Places, Depends()],
        from_ms: Milliseconds = 0,
        to_ms: Milliseconds = 2**53 - 1,
        order: Order = "newest",
        limit: Annotated[int, Query(ge=1, le=MAX_RESULTS)] = 20,
        cursor: Annotated[str | None, Query(max_length=64)] = None,
        *,
        caller: Who,
    ) -> Page:
        within = caller.scope.path
        try:
            return search.find(
                Wanted(q, places.named(), from_ms, to_ms, order, limit, cursor, within, caller.role)
            )
        except UnknownPlaceError as error:
            raise ProblemError(UNKNOWN_PLACE, str(error)) from error
        except CursorError as error:
            raise ProblemError(BAD_CURSOR, str(error)) from error

    return router
