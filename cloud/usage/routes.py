"""HTTP for what was sent, and for budgets. A place is TENANT, TENANT/SITE or TENANT/SITE/DEVICE.

GET    /api/v1/usage                       totals: ?tenant= or ?site= or ?device=, from_ms, to_ms
GET    /api/v1/usage/series                over time by layer: grain=minute|hour|day|month
GET    /api/v1/usage/top                   the devices that sent most
GET    /api/v1/usage/export.csv, .json     each device: bytes, received, ratios, cost
GET    /api/v1/usage/unusual               hours that stood out, the newest first
GET    /api/v1/usage/samples               what cameras would take as video, and how sure that is
GET    /api/v1/budgets                     budgets, how far they are used, and where that leads
PUT    /api/v1/budgets                     {"place": "T/S/D", "bytes_per_month": …, "billing_day": …}
DELETE /api/v1/budgets?place=T/S/D         without it

Without a place it is the whole fleet, for who may see that. Times are ms of the Unix epoch; without, it is
the billing month of the settings up to now.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response
from pydantic import Field

from cloud import examples
from cloud.access.declare import Who, requires
from cloud.access.roles import Role
from cloud.clock import Clock, wall_ms
from cloud.examples import shown
from cloud.problems import UNKNOWN_PLACE, Kind, ProblemError, documented
from cloud.usage.budgets import MOST_BYTES, Budget, BudgetError, BudgetNow, Budgets
from cloud.usage.export import DeviceReport, Reports, Unusual
from cloud.usage.periods import Grain, billing_month
from cloud.usage.query import Point, Talker, Totals, Usage
from cloud.usage.samples import SampleView

IMPOSSIBLE_BUDGET = Kind("impossible-budget", 409, "Budget cannot be", "Do what the detail says.")
UNKNOWN_BUDGET = Kind("unknown-budget", 404, "No such budget", "GET /api/v1/budgets lists those there are.")
EMPTY_TIME = Kind("empty-time", 400, "No time to look at", "Let from_ms be before to_ms.")

Milliseconds = Annotated[int | None, Query(ge=0, lt=2**48)]

_TOTALS = {
    "place": "acme/north/jetson-1", "from_ms": 1_790_000_000_000, "to_ms": 1_790_086_400_000,
    "bytes": 812_345, "received": 401_220, "payload": 402_131, "covered_s": 86_400,
    "layers": {"caption": 61_000, "appearance-tokens": 290_000, "header": 51_131, "mqtt": 100_100,
               "transport": 309_114, "resent": 1_000},
    "kinds": {"payload": 402_131, "mqtt": 100_100, "transport": 309_114, "resent": 1_000},
    "cameras": {"gate": 790_000}, "ratio_h264": 9130.5, "ratio_h265": 6120.0, "ratio_raw": 2_400_000.0,
    "cost": 0.284321,
    "links": [{"link": "lte", "bytes": 612_345, "cost": 0.244938, "currency": "EUR"}],
}  # fmt: skip

_SAMPLE = {
    "camera": "acme/north/jetson-1/gate", "codec": "h265", "preset": "medium", "crf": 28, "windows": 40,
    "sampled_s": 80.0, "bytes_per_s": 91_204.5, "low": 83_110.2, "high": 99_298.8,
    "came_ms": 1_790_000_000_000,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Where:
    """Which place: the narrowest that is named."""

    tenant: Annotated[str | None, Query(examples=["acme"])] = None
    site: Annotated[str | None, Query(examples=["acme/north"])] = None
    device: Annotated[str | None, Query(examples=["acme/north/jetson-1"])] = None

    @property
    def place(self) -> str:
        return self.device or self.site or self.tenant or ""


@dataclass(frozen=True, slots=True)
class When:
    """Which time."""

    from_ms: Milliseconds = None
    to_ms: Milliseconds = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A budget as it is asked for; "" is the whole fleet."""

    place: Annotated[str, Field(max_length=98)]
    bytes_per_month: Annotated[int, Field(gt=0, lt=MOST_BYTES)]
    billing_day: Annotated[int | None, Field(ge=1, le=28)] = None


def usage_routes(usage: Usage, budgets: Budgets, reports: Reports, clock: Clock = wall_ms) -> APIRouter:
    """Make the routes."""
    router = APIRouter()
    _add_questions(router, usage, clock)
    _add_reports(router, usage, reports, clock)
    _add_budgets(router, budgets)
    return router


def _add_questions(router: APIRouter, usage: Usage, clock: Clock) -> None:
    described = documented(UNKNOWN_PLACE, EMPTY_TIME)
    described[200] = _example(_TOTALS)

    @router.get("/api/v1/usage", dependencies=[requires(Role.VIEWER)], responses=described)
    def totals(where: Annotated[Where, Depends()], when: Annotated[When, Depends()], caller: Who) -> Totals:
        return usage.totals(_place(where, caller), *_time(when, usage, clock))

    @router.get(
        "/api/v1/usage/series",
        dependencies=[requires(Role.VIEWER)],
        responses={**shown([examples.POINT]), **documented(UNKNOWN_PLACE, EMPTY_TIME)},
    )
    def series(
        where: Annotated[Where, Depends()],
        when: Annotated[When, Depends()],
        caller: Who,
        grain: Literal["minute", "hour", "day", "month"] = "day",
    ) -> list[Point]:
        return usage.series(_place(where, caller), *_time(when, usage, clock), Grain(grain))

    @router.get(
        "/api/v1/usage/top",
        dependencies=[requires(Role.VIEWER)],
        responses={**shown([examples.TALKER]), **documented(UNKNOWN_PLACE, EMPTY_TIME)},
    )
    def top(
        where: Annotated[Where, Depends()],
        when: Annotated[When, Depends()],
        caller: Who,
        limit: Annotated[int, Query(ge=1, le=1000)] = 20,
    ) -> list[Talker]:
        return usage.top(_place(where, caller), *_time(when, usage, clock), limit)


def _add_reports(router: APIRouter, usage: Usage, reports: Reports, clock: Clock) -> None:
    described = documented(UNKNOWN_PLACE, EMPTY_TIME)

    @router.get(
        "/api/v1/usage/export.json",
        dependencies=[requires(Role.VIEWER)],
        responses={**shown([examples.DEVICE_REPORT]), **described},
    )
    def export(
        where: Annotated[Where, Depends()], when: Annotated[When, Depends()], caller: Who
    ) -> list[DeviceReport]:
        return reports.devices(_place(where, caller), *_time(when, usage, clock))

    @router.get(
        "/api/v1/usage/export.csv",
        dependencies=[requires(Role.VIEWER)],
        response_class=Response,
        responses={**described, 200: {"content": {"text/csv": {"example": to_csv([])}}}},
    )
    def table(where: Annotated[Where, Depends()], when: Annotated[When, Depends()], caller: Who) -> Response:
        found = reports.devices(_place(where, caller), *_time(when, usage, clock))
        headers = {"Content-Disposition": 'attachment; filename="usage.csv"'}
        return Response(to_csv(found), media_type="text/csv; charset=utf-8", headers=headers)

    @router.get(
        "/api/v1/usage/unusual",
        dependencies=[requires(Role.VIEWER)],
        responses=shown([examples.UNUSUAL]),
    )
    def unusual(caller: Who, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> list[Unusual]:
        return [each for each in reports.unusual(limit) if caller.sees(each.device)]

    @router.get("/api/v1/usage/samples", dependencies=[requires(Role.VIEWER)], responses=shown([_SAMPLE]))
    def sampled(caller: Who) -> list[SampleView]:
        return [each for each in reports.samples() if caller.sees(each.camera)]


def _add_budgets(router: APIRouter, budgets: Budgets) -> None:
    @router.get(
        "/api/v1/budgets", dependencies=[requires(Role.VIEWER)], responses=shown([examples.BUDGET_NOW])
    )
    def listed(caller: Who) -> list[BudgetNow]:
        return [each for each in budgets.now() if caller.sees(each.place)]

    @router.put(
        "/api/v1/budgets",
        dependencies=[requires(Role.OPERATOR)],
        responses={**shown(examples.BUDGET), **documented(UNKNOWN_PLACE, IMPOSSIBLE_BUDGET)},
    )
    def put(wanted: Wanted, caller: Who) -> Budget:
        if not caller.sees(wanted.place):
            raise ProblemError(UNKNOWN_PLACE, f"no place {wanted.place!r}")
        try:
            return budgets.set(wanted.place, wanted.bytes_per_month, wanted.billing_day)
        except BudgetError as error:
            raise ProblemError(IMPOSSIBLE_BUDGET, str(error)) from error

    @router.delete(
        "/api/v1/budgets",
        status_code=204,
        dependencies=[requires(Role.OPERATOR)],
        responses=documented(UNKNOWN_BUDGET),
    )
    def remove(place: Annotated[str, Query(max_length=98)], caller: Who) -> None:
        if not caller.sees(place):
            raise ProblemError(UNKNOWN_BUDGET, f"{place} has no budget")
        try:
            budgets.remove(place)
        except BudgetError as error:
            raise ProblemError(UNKNOWN_BUDGET, str(error)) from error


def to_csv(devices: Sequence[DeviceReport]) -> str:
    """Write a line a device, as RFC 4180 says, under the names of the columns."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [each.name for each in fields(DeviceReport)])
    writer.writeheader()
    for device in devices:
        writer.writerow({name: "" if value is None else value for name, value in asdict(device).items()})
    return text.getvalue()


def _place(where: Where, caller: Who) -> str:
    """Give a place of which the caller sees all."""
    if not caller.sees(where.place):
        raise ProblemError(UNKNOWN_PLACE, "name a tenant, site or device that this token may see")
    return where.place


def _time(when: When, usage: Usage, clock: Clock) -> tuple[int, int]:
    now_ms = clock()
    month = billing_month(now_ms, usage.settings.zone, usage.settings.billing_day)
    from_ms = month.from_ms if when.from_ms is None else when.from_ms
    to_ms = now_ms if when.to_ms is None else when.to_ms
    if from_ms >= to_ms:
        raise ProblemError(EMPTY_TIME, f"from_ms {from_ms} is not before to_ms {to_ms}")
    return from_ms, to_ms


def _example(example: object) -> dict[str, object]:
    return {"content": {"application/json": {"example": example}}}
