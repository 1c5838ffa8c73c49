"""Alerts: saved searches that are told when a caption matches.

GET    /api/v1/alerts                     all, by name, and how often each was raised in the last day
POST   /api/v1/alerts                     {"name": "Cars at night", "query": "car", "hours": "22:00-06:00"}
POST   /api/v1/alerts/trial               the same, before it is made: what it would have found lately
GET    /api/v1/alerts/hits                what they found, the latest first; alert=ID, limit, cursor
GET    /api/v1/alerts/ID                  one
PATCH  /api/v1/alerts/ID                  {"active": false}: what is not named stays
DELETE /api/v1/alerts/ID                  with all that it found
"""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi import Path as PathParameter
from pydantic import BaseModel, ConfigDict, Field

from cloud import examples
from cloud.access.declare import Who, requires
from cloud.access.roles import Caller, Role
from cloud.alerts.book import Book
from cloud.alerts.history import DAY_MS, Trial
from cloud.alerts.hits import MAX_HITS, HitPage
from cloud.alerts.rulebook import UnknownAlertError
from cloud.alerts.rules import MAX_COOLDOWN_S, MAX_NAME, MAX_WEBHOOK, Alert, AlertError, Draft
from cloud.examples import shown
from cloud.problems import Kind, ProblemError, documented
from cloud.search import MAX_TEXT, CursorError
from cloud.search_routes import BAD_CURSOR

UNKNOWN_ALERT = Kind("unknown-alert", 404, "No such alert", "GET /api/v1/alerts lists those there are.")
IMPOSSIBLE_ALERT = Kind("impossible-alert", 409, "Alert cannot be so", "Do what the detail says.")
MAX_PAST_MS = 30 * DAY_MS

_ALERT = {
    "id": 3,
    "name": "Red cars at night",
    "query": '"red car" -rain',
    "place": "acme/north",
    "active": True,
    "hours": "22:00-06:00",
    "zone": "Europe/Berlin",
    "cooldown_s": 60,
    "webhook": None,
    "webhook_error": None,
    "created_ms": 1_790_000_000_000,
    "changed_ms": 1_790_000_000_000,
}
_LISTED = [{"alert": _ALERT, "hits": 12, "last_ms": 1_790_000_300_000}]
AlertId = Annotated[int, PathParameter(ge=0, lt=2**31)]
Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME, examples=["Red cars at night"])]
Text = Annotated[str, Field(min_length=1, max_length=MAX_TEXT, examples=['"red car" -rain'])]
Place = Annotated[str, Field(max_length=131, examples=["acme/north"], description="'' is everywhere")]
Hours = Annotated[str | None, Field(max_length=11, examples=["22:00-06:00"])]
Zone = Annotated[str, Field(max_length=64, examples=["Europe/Berlin"])]
Cooldown = Annotated[int, Field(ge=0, le=MAX_COOLDOWN_S, description="how long a camera is quiet then")]
Webhook = Annotated[str | None, Field(max_length=MAX_WEBHOOK, description="below one of alerts.webhooks")]


class NewAlert(BaseModel):
    """An alert that is to be made, or tried."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    query: Text
    place: Place = ""
    active: bool = True
    hours: Hours = None
    zone: Zone = "UTC"
    cooldown_s: Cooldown = 60
    webhook: Webhook = None


def _no_defaults(schema: dict[str, Any]) -> None:
    for described in schema["properties"].values():
        described.pop("default", None)


class AlertChange(BaseModel):
    """What is to be otherwise of an alert; what is not named stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_no_defaults)

    name: Name = ""
    query: Text = ""
    place: Place = ""
    active: bool = True
    hours: Hours = None
    zone: Zone = "UTC"
    cooldown_s: Cooldown = 60
    webhook: Webhook = None


class ListedAlert(BaseModel):
    """An alert, and how often it was raised in the last day; `last_ms` is when what it saw then began."""

    alert: Alert
    hits: int
    last_ms: int | None


def alert_routes(book: Book) -> APIRouter:
    """Make the routes."""
    router = APIRouter()
    _add_lists(router, book)
    _add_changes(router, book)
    return router


def _add_lists(router: APIRouter, book: Book) -> None:
    @router.get(
        "/api/v1/alerts",
        dependencies=[requires(Role.VIEWER)],
        responses={200: _example(_LISTED)},
    )
    def listed(caller: Who) -> list[ListedAlert]:
        overview = book.overview(caller.scope, caller.role)
        found = [(alert, overview.day.get(alert.id)) for alert in overview.alerts]
        return [
            ListedAlert(alert=alert, hits=day.hits if day else 0, last_ms=day.last_ms if day else None)
            for alert, day in found
        ]

    @router.get(
        "/api/v1/alerts/hits",
        dependencies=[requires(Role.VIEWER)],
        responses={**shown(examples.HITS), **documented(UNKNOWN_ALERT, BAD_CURSOR)},
    )
    def hits(
        caller: Who,
        alert: Annotated[int | None, Query(ge=0, lt=2**31)] = None,
        limit: Annotated[int, Query(ge=1, le=MAX_HITS)] = 20,
        cursor: Annotated[str | None, Query(max_length=64)] = None,
    ) -> HitPage:
        try:
            return book.hits(limit, alert, cursor, caller.scope, caller.role)
        except UnknownAlertError as error:
            raise ProblemError(UNKNOWN_ALERT, str(error)) from error
        except CursorError as error:
            raise ProblemError(BAD_CURSOR, str(error)) from error

    @router.get(
        "/api/v1/alerts/{alert_id}",
        dependencies=[requires(Role.VIEWER, free=("alert_id",))],
        responses={200: _example(_ALERT), **documented(UNKNOWN_ALERT)},
    )
    def one(alert_id: AlertId, caller: Who) -> Alert:
        return _found(book, alert_id, caller)


def _add_changes(router: APIRouter, book: Book) -> None:
    @router.post(
        "/api/v1/alerts",
        status_code=201,
        dependencies=[requires(Role.OPERATOR)],
        responses={201: _example(_ALERT), **documented(IMPOSSIBLE_ALERT)},
    )
    def add(alert: NewAlert, caller: Who) -> Alert:
        try:
            return book.add(Draft(**alert.model_dump()), caller.scope)
        except AlertError as error:
            raise ProblemError(IMPOSSIBLE_ALERT, str(error)) from error

    @router.post(
        "/api/v1/alerts/trial",
        dependencies=[requires(Role.VIEWER)],
        responses={**shown(examples.TRIAL), **documented(IMPOSSIBLE_ALERT)},
    )
    def trial(
        alert: NewAlert, caller: Who, past_ms: Annotated[int, Query(ge=1, le=MAX_PAST_MS)] = DAY_MS
    ) -> Trial:
        try:
            return book.tried(Draft(**alert.model_dump()), past_ms, caller.scope, caller.role)
        except AlertError as error:
            raise ProblemError(IMPOSSIBLE_ALERT, str(error)) from error

    @router.patch(
        "/api/v1/alerts/{alert_id}",
        dependencies=[requires(Role.OPERATOR, free=("alert_id",))],
        responses={200: _example(_ALERT), **documented(UNKNOWN_ALERT, IMPOSSIBLE_ALERT)},
    )
    def change(alert_id: AlertId, change: AlertChange, caller: Who) -> Alert:
        before = _found(book, alert_id, caller)
        try:
            draft = replace(before.draft, **change.model_dump(exclude_unset=True))
            return book.change(alert_id, draft, caller.scope)
        except AlertError as error:
            raise ProblemError(IMPOSSIBLE_ALERT, str(error)) from error

    @router.delete(
        "/api/v1/alerts/{alert_id}",
        status_code=204,
        dependencies=[requires(Role.OPERATOR, free=("alert_id",))],
        responses=documented(UNKNOWN_ALERT),
    )
    def remove(alert_id: AlertId, caller: Who) -> None:
        _found(book, alert_id, caller)
        book.remove(alert_id, caller.scope)


def _found(book: Book, alert_id: int, caller: Caller) -> Alert:
    try:
        return book.find(alert_id, caller.scope)
    except UnknownAlertError as error:
        raise ProblemError(UNKNOWN_ALERT, str(error)) from error


def _example(value: object) -> dict[str, object]:
    return {"content": {"application/json": {"example": value}}}
