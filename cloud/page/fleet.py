"""The fleet page: every device, what it sends, and what that costs.

totals
bytes over time | top talkers | budgets and alerts
search, filters, table of all devices                 on a phone: below each other, fewer columns
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fastapi import Request
from nicegui import events, run, ui

from cloud.access.declare import caller_of, requires
from cloud.access.roles import Caller, Role
from cloud.clock import wall_ms
from cloud.fleet import DeviceNow, Fleet
from cloud.page.fleet_panels import Chart, Notice, Notices, Tiles, TopTalkers, of_devices
from cloud.page.fleet_spending import Spending
from cloud.page.fleet_table import FleetTable
from cloud.page.nav import ICON, Nav
from cloud.page.trouble import told
from cloud.store import StoreError
from cloud.usage.query import Point

ROUND_S = 3.0
CHART_ROUNDS = 5  # of which one brings the chart in step
_SCRIPT = Path(__file__).parent / "fleet.js"


@dataclass(frozen=True, slots=True)
class _Look:
    devices: list[DeviceNow]
    notices: list[Notice]
    points: Sequence[Point] | None
    trouble: str = ""


class FleetView:
    """One visitor's page; rounds begin once the browser has its table."""

    def __init__(self, nav: Nav, fleet: Fleet, spending: Spending, caller: Caller) -> None:
        self._fleet = fleet
        self._spending = spending
        self._currency = spending.currency
        self._caller = caller
        self._place = self._home = caller.scope.path or ""
        self._round = 0
        self._one_at_a_time = asyncio.Lock()
        self._build(nav)

    def _build(self, nav: Nav) -> None:
        with nav.header("/fleet", "fleet.css"), ui.element("div").classes("fleet-export totals"):
            ui.link("CSV", "/api/v1/fleet.csv").props("download")
            ui.link("JSON", "/api/v1/fleet").props('download="fleet.json"')
        self._trouble = ui.label().classes("trouble").props('role="alert"')
        self._trouble.set_visibility(False)
        with ui.element("main").classes("fleet"):
            self._tiles = Tiles()
            with ui.element("div").classes("fleet-panels"):
                self._chart = Chart(self._home, self._redraw, self._clear)
                self._top = TopTalkers()
                self._notices = Notices()
            self._table = FleetTable(self._currency, self._spending.compare, self.round)
        ui.on("fleet-chosen", self._choose)

    async def round(self) -> None:
        """Bring the page in step with the store."""
        if not self._table.is_ready:
            return
        async with self._one_at_a_time:
            with_chart = self._round % CHART_ROUNDS == 0
            self._round += 1
            now = await run.io_bound(self._look, with_chart=with_chart)
            if now is not None:  # None: the server is shutting down
                self._show(now)

    def _look(self, *, with_chart: bool) -> _Look:
        """Read the store; runs on a thread of its own."""
        try:
            devices = [device for device in self._fleet.devices() if self._caller.sees(device.id)]
            notices = [each for each in self._spending.notices(wall_ms()) if self._caller.sees(each.place)]
            return _Look(devices, notices, self._points() if with_chart else None)
        except StoreError as error:
            return _Look([], [], None, told(error, self._caller))

    def _points(self) -> Sequence[Point]:
        now_ms, wanted = wall_ms(), self._chart.range
        return self._spending.points(self._place, now_ms - wanted.back_ms, now_ms, wanted.grain)

    def _show(self, now: _Look) -> None:
        self._trouble.set_text(now.trouble)
        self._trouble.set_visibility(bool(now.trouble))
        if now.trouble:
            return
        self._table.show(now.devices)
        self._tiles.show(now.devices, self._currency)
        self._top.show(now.devices)
        self._notices.show([*now.notices, *of_devices(now.devices)])
        if now.points is not None:
            self._chart.show(now.points, self._place, wall_ms())

    async def _redraw(self) -> None:
        async with self._one_at_a_time:
            points: Sequence[Point] | None = None
            with contextlib.suppress(StoreError):  # the next round tells
                points = await run.io_bound(self._points)
            if points is not None:
                self._chart.show(points, self._place, wall_ms())

    async def _choose(self, event: events.GenericEventArguments) -> None:
        place = str(event.args or "")
        self._place = place if self._table.has(place) else self._home
        await self._redraw()

    async def _clear(self) -> None:
        ui.run_javascript("mirageFleet.clear()")
        self._place = self._home
        await self._redraw()


def mount_fleet(nav: Nav, fleet: Fleet, spending: Spending) -> None:
    """Serve the page at /fleet."""
    script = _SCRIPT.read_text()
    nav.add("/fleet")

    @ui.page("/fleet", title="Fleet · Mirage", favicon=ICON, dark=True, dependencies=[requires(Role.VIEWER)])
    def page(request: Request) -> None:
        ui.add_head_html(f"<script>{script}</script>")
        view = FleetView(nav, fleet, spending, caller_of(request))
        ui.timer(ROUND_S, view.round)
