"""GET /api/v1/fleet (JSON) and /api/v1/fleet.csv: every device, as `mirage fleet status` shows it.

Only what the caller may see is listed. CSV begins with the names of its columns; a list is joined by spaces.
"""

import csv
import io
from collections.abc import Iterable
from dataclasses import fields

from fastapi import APIRouter
from fastapi.responses import Response

from cloud.access.declare import Who, requires
from cloud.access.roles import Role
from cloud.fleet import DeviceNow, Fleet

_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # with which a cell begins that a spreadsheet would carry out
_EXAMPLE = {
    "id": "acme/north/jetson-1", "state": "ready", "seen_ms": 1_790_000_000_000, "bytes_today": 812_345,
    "bytes_per_s": 14.2, "budget": 30_000_000, "share": 0.31, "forecast": 24_000_000, "ratio": 5230.0,
    "cost": 0.12, "spool_packets": 2, "spool_bytes": 410, "spool_age_s": 3, "dropped": 0,
    "alarms": ["overloaded"], "firmware": "mirage 0.1.0", "bundle": "tiny", "cameras": 2,
    "received_bytes": 9_123_456,
}  # fmt: skip


def fleet_routes(fleet: Fleet) -> APIRouter:
    """Make the routes."""
    router = APIRouter()

    @router.get(
        "/api/v1/fleet",
        responses={200: {"content": {"application/json": {"example": [_EXAMPLE]}}}},
        dependencies=[requires(Role.VIEWER)],
    )
    def devices(caller: Who) -> list[DeviceNow]:
        return [device for device in fleet.devices() if caller.sees(device.id)]

    @router.get(
        "/api/v1/fleet.csv",
        response_class=Response,
        responses={200: {"content": {"text/csv": {"example": to_csv([])}}}},
        dependencies=[requires(Role.VIEWER)],
    )
    def table(caller: Who) -> Response:
        seen = [device for device in fleet.devices() if caller.sees(device.id)]
        headers = {"Content-Disposition": 'attachment; filename="fleet.csv"'}
        return Response(to_csv(seen), media_type="text/csv; charset=utf-8", headers=headers)

    return router


def to_csv(devices: Iterable[DeviceNow]) -> str:
    """Write devices as RFC 4180 says."""
    text = io.StringIO()
    writer = csv.writer(text)
    names = [each.name for each in fields(DeviceNow)]
    writer.writerow(names)
    for device in devices:
        writer.writerow([_cell(getattr(device, name)) for name in names])
    return text.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, tuple):
        value = " ".join(value)
    if value is None:
        return ""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"  # a device says what its firmware is called
    return value
