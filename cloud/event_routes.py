"""GET /api/v1/events: how many events wait for the broker, were published, and were dropped."""

from fastapi import APIRouter

from cloud.access.declare import requires
from cloud.access.roles import Role
from cloud.events import outbox
from cloud.events.outbox import Counts
from cloud.store import Store

_EXAMPLE = {"waiting": 0, "published": 81_204, "dropped": 0}


def event_routes(store: Store) -> APIRouter:
    """Make the route."""
    router = APIRouter()

    @router.get(
        "/api/v1/events",
        dependencies=[requires(Role.VIEWER, everywhere=True)],
        responses={200: {"content": {"application/json": {"example": _EXAMPLE}}}},
    )
    def counts() -> Counts:
        with store.read() as session:
            return outbox.counts(session)

    return router
