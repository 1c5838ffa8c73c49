"""The page of alerts: what is looked for, and what was found.

new alert, alerts | hits, the latest first                  on a phone: below each other
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, timezone
from typing import Annotated

from fastapi import Query, Request
from nicegui import run, ui

from cloud.access.declare import caller_of, requires
from cloud.access.roles import Caller, Role
from cloud.alerts.book import Book, Overview
from cloud.alerts.hits import MAX_HITS, AlertHit
from cloud.alerts.rulebook import UnknownAlertError
from cloud.alerts.rules import Alert, AlertError
from cloud.catalog import Catalog
from cloud.clock import wall_ms
from cloud.page import wording
from cloud.page.alert_form import AlertForm
from cloud.page.alert_hits import HitList
from cloud.page.alert_rules import AlertRules
from cloud.page.nav import ICON, Nav
from cloud.page.trouble import told
from cloud.search import MAX_TEXT
from cloud.store import StoreError

ROUND_S = 2.0
PAGE = 24  # hits shown at first, and added by "Show earlier"
_ZONE = "[new Date().getTimezoneOffset(), Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC']"


@dataclass(frozen=True, slots=True)
class _Look:
    """The alerts at one moment, or why they cannot be seen."""

    overview: Overview | None
    hits: Sequence[AlertHit] = ()
    has_more: bool = False
    cameras: Sequence[str] = ()
    trouble: str = ""


class AlertsView:
    """One visitor's page; rounds keep it in step with the store."""

    def __init__(self, nav: Nav, book: Book, catalog: Catalog, caller: Caller, query: str) -> None:
        self._book = book
        self._catalog = catalog
        self._caller = caller
        self._tz: timezone = UTC
        self._most = PAGE
        self._one_at_a_time = asyncio.Lock()
        may_change = caller.may(Role.OPERATOR)
        with nav.header("/alerts", "alerts.css"):
            self._status = ui.label("connecting").classes("status totals")
        self._trouble = ui.label().classes("trouble").props('role="alert"')
        self._trouble.set_visibility(False)
        self._form: AlertForm | None = None
        with ui.element("main").classes("alerts"):
            with ui.element("div").classes("alert-column"):
                if may_change:
                    self._form = AlertForm(book, caller, query, self.round)
                self._rules = AlertRules(self._toggle, self._remove, may_change=may_change)
            self._hits = HitList(self._show_earlier)

    async def begin(self) -> None:
        """Ask the browser for its time zone, then start the rounds."""
        with contextlib.suppress(TimeoutError):  # a slow one gets UTC
            offset, name = await ui.run_javascript(_ZONE, timeout=5.0)
            self._tz = wording.zone(int(offset))
            if self._form is not None:
                self._form.zone, self._form.zone_name = self._tz, str(name)
        await self.round()
        if self._form is not None:
            await self._form.tell()
        ui.timer(ROUND_S, self.round)

    async def round(self) -> None:
        """Bring the page in step with the store."""
        async with self._one_at_a_time:
            now = await run.io_bound(self._look)
            if now is not None:  # None: the server is shutting down
                self._show(now)

    def _look(self) -> _Look:
        """Read the store; runs on a thread of its own."""
        scope, role = self._caller.scope, self._caller.role
        try:
            overview = self._book.overview(scope, role)
            hits, cursor = list[AlertHit](), None
            while len(hits) < self._most:
                page = self._book.hits(min(self._most - len(hits), MAX_HITS), None, cursor, scope, role)
                hits += page.results
                cursor = page.cursor
                if cursor is None:
                    break
            cameras = [camera.id for camera in self._catalog.cameras() if self._caller.sees(camera.id)]
        except StoreError as error:
            return _Look(None, trouble=told(error, self._caller))
        return _Look(overview, hits, cursor is not None, cameras)

    def _show(self, now: _Look) -> None:
        self._trouble.set_text(now.trouble)
        self._trouble.set_visibility(bool(now.trouble))
        good, bad = ("good", "bad") if not now.trouble else ("bad", "good")
        self._status.set_text("trouble" if now.trouble else "connected")
        self._status.classes(add=good, remove=bad)
        if now.overview is not None:
            names = {alert.id: alert.name for alert in now.overview.alerts}
            self._rules.show(now.overview, wall_ms())
            self._hits.show(now.hits, names, self._tz, has_more=now.has_more)
            if self._form is not None:
                self._form.offer(now.cameras)

    async def _show_earlier(self) -> None:
        self._most += PAGE
        await self.round()

    async def _toggle(self, alert: Alert, active: bool) -> None:  # noqa: FBT001 -- a callback
        draft = replace(alert.draft, active=active)
        await self._change(lambda: self._book.change(alert.id, draft, self._caller.scope))

    async def _remove(self, alert: Alert) -> None:
        await self._change(lambda: self._book.remove(alert.id, self._caller.scope))

    async def _change(self, change: Callable[[], object]) -> None:
        trouble = await run.io_bound(self._changed, change)
        if trouble:
            ui.notify(trouble, type="warning")
        await self.round()

    def _changed(self, change: Callable[[], object]) -> str:
        """Change what the visitor may change; say why that was not possible. Runs on a thread."""
        try:
            if self._caller.may(Role.OPERATOR):
                change()
        except (AlertError, UnknownAlertError, StoreError) as error:
            return told(error, self._caller)
        return ""


def mount_alerts(nav: Nav, book: Book, catalog: Catalog) -> None:
    """Serve the page at /alerts; `?query=` is what an alert to be made looks for."""
    nav.add("/alerts")

    @ui.page(
        "/alerts", title="Alerts · Mirage", favicon=ICON, dark=True, dependencies=[requires(Role.VIEWER)]
    )
    def page(request: Request, query: Annotated[str, Query(max_length=MAX_TEXT)] = "") -> None:
        view = AlertsView(nav, book, catalog, caller_of(request), query)
        ui.timer(0.05, view.begin, once=True)
