"""What kinds of problems there are, and what to do about them: where the `type` of each leads.

GET /api/v1/problems             all
GET /api/v1/problems/NAME        one
"""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter
from fastapi import Path as PathParameter

from cloud.access.declare import public
from cloud.examples import shown
from cloud.problems import PATH, UNKNOWN_SEGMENT, Kind, ProblemError, documented, known

UNKNOWN_PROBLEM = Kind(
    "unknown-problem", 404, "No such kind of problem", f"GET {PATH} lists those there are."
)


@dataclass(frozen=True, slots=True)
class Explanation:
    """A kind of problem, and what to do about it."""

    type: str
    title: str
    status: int
    advice: str


def problem_routes() -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix=PATH, dependencies=[public()])
    example = {
        "type": UNKNOWN_SEGMENT.type,
        "title": UNKNOWN_SEGMENT.title,
        "status": UNKNOWN_SEGMENT.status,
        "advice": UNKNOWN_SEGMENT.advice,
    }

    @router.get("", responses=shown([example]))
    def problems() -> list[Explanation]:
        return [_explained(kind) for _, kind in sorted(known().items())]

    @router.get("/{name}", responses={**shown(example), **documented(UNKNOWN_PROBLEM)})
    def problem(name: Annotated[str, PathParameter(max_length=64)]) -> Explanation:
        kind = known().get(name)
        if kind is None:
            raise ProblemError(UNKNOWN_PROBLEM, f"no kind of problem {name!r}")
        return _explained(kind)

    return router


def _explained(kind: Kind) -> Explanation:
    return Explanation(kind.type, kind.title, kind.status, kind.advice)
