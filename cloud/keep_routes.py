"""Intervals that stay although their time is over: listed, kept, and left to retention again.

GET    /api/v1/keeps?camera=T/S/D/C           those of a camera, or all
POST   /api/v1/cameras/T/S/D/C/keeps          {"from_ms": …, "to_ms": …, "note": "…"}
DELETE /api/v1/keeps/ID                       what is too old of it goes within minutes
"""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter
from fastapi import Path as PathParameter
from pydantic import Field

from cloud.access.declare import Who, requires
from cloud.access.roles import Role
from cloud.problems import UNKNOWN_PLACE, Kind, ProblemError, documented
from cloud.retention.keeps import MAX_NOTE, Keep, KeepError, Keeps

UNKNOWN_KEEP = Kind("unknown-keep", 404, "No such interval", "GET /api/v1/keeps lists those there are.")
IMPOSSIBLE_KEEP = Kind("impossible-keep", 409, "Interval cannot be kept", "Do what the detail says.")

_EXAMPLE = {
    "id": 3,
    "camera": "acme/north/jetson-1/gate",
    "from_ms": 1_790_000_000_000,
    "to_ms": 1_790_000_060_000,
    "note": "case 17",
    "made_ms": 1_790_000_300_000,
    "segments": 31,
}
Name = Annotated[str, PathParameter(pattern="^[a-z0-9-]{1,32}$")]
Milliseconds = Annotated[int, Field(ge=0, lt=2**53)]


@dataclass(frozen=True, slots=True)
class Interval:
    """What is to be kept of a camera: from `from_ms` on and before `to_ms`; `note` says why."""

    from_ms: Milliseconds
    to_ms: Milliseconds
    note: Annotated[str, Field(max_length=MAX_NOTE)] = ""


def keep_routes(keeps: Keeps) -> APIRouter:
    """Make the routes."""
    router = APIRouter()

    @router.get(
        "/api/v1/keeps",
        dependencies=[requires(Role.VIEWER)],
        responses={200: _example([_EXAMPLE]), **documented(UNKNOWN_PLACE)},
    )
    def listed(caller: Who, camera: str | None = None) -> list[Keep]:
        return [each for each in keeps.listed(camera) if caller.sees(each.camera)]

    @router.post(
        "/api/v1/cameras/{tenant}/{site}/{device}/{camera}/keeps",
        status_code=201,
        dependencies=[requires(Role.OPERATOR)],
        responses={201: _example(_EXAMPLE), **documented(UNKNOWN_PLACE, IMPOSSIBLE_KEEP)},
    )
    def add(tenant: Name, site: Name, device: Name, camera: Name, interval: Interval) -> Keep:
        place = f"{tenant}/{site}/{device}/{camera}"
        try:
            return keeps.add(place, interval.from_ms, interval.to_ms, interval.note)
        except KeepError as error:
            raise ProblemError(IMPOSSIBLE_KEEP, str(error)) from error

    @router.delete(
        "/api/v1/keeps/{keep_id}",
        status_code=204,
        dependencies=[requires(Role.OPERATOR, free=("keep_id",))],
        responses=documented(UNKNOWN_KEEP),
    )
    def remove(keep_id: Annotated[int, PathParameter(ge=0, lt=2**31)], caller: Who) -> None:
        found = keeps.find(keep_id)
        if found is None or not caller.sees(found.camera) or not keeps.remove(keep_id):
            raise ProblemError(UNKNOWN_KEEP, f"no interval {keep_id}")

    return router


def _example(example: object) -> dict[str, object]:
    return {"content": {"application/json": {"example": example}}}
