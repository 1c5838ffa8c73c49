"""The list of alerts: what each looks for, a switch, and a way to remove it that asks first."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from nicegui import ui
from nicegui.elements.html import Html
from nicegui.elements.switch import Switch

from cloud.alerts.book import Overview
from cloud.alerts.rules import Alert
from cloud.page import alerts_markup


@dataclass(slots=True)
class _Row:
    element: ui.element
    text: Html
    switch: Switch
    content: str
    active: bool


class AlertRules:
    """Rows by alert; a row stays the same element, so that it keeps the keyboard's focus.

    `toggle` and `remove` are called with what the visitor changes; nothing can be unless `may_change`.
    """

    def __init__(
        self,
        toggle: Callable[[Alert, bool], Awaitable[None]],
        remove: Callable[[Alert], Awaitable[None]],
        *,
        may_change: bool,
    ) -> None:
        self._toggle = toggle
        self._remove = remove
        self._may_change = may_change
        self._rows: dict[int, _Row] = {}
        self._alerts: dict[int, Alert] = {}
        with ui.element("section").classes("alert-panel").props('aria-label="Alerts"'):
            ui.label("Alerts").classes("title")
            self._none = ui.label("None yet.").classes("alert-none")
            self._list = ui.element("ul").classes("rules")
        with ui.dialog() as self._dialog, ui.card().classes("alert-ask"):
            self._question = ui.label()
            with ui.row():
                delete = ui.button("Delete", on_click=lambda: self._dialog.submit("delete"))
                delete.props("no-caps color=negative")
                ui.button("Keep", on_click=self._dialog.close).props("no-caps flat autofocus")

    def show(self, overview: Overview, now_ms: int) -> None:
        """Show these."""
        self._alerts = {alert.id: alert for alert in overview.alerts}
        for gone in self._rows.keys() - self._alerts.keys():
            self._rows.pop(gone).element.delete()
        for place, alert in enumerate(overview.alerts):
            self._show(place, alert, alerts_markup.rule(alert, overview.day.get(alert.id), now_ms))
        self._none.set_visibility(not overview.alerts)

    def _show(self, place: int, alert: Alert, content: str) -> None:
        row = self._rows.get(alert.id)
        if row is None:
            self._rows[alert.id] = row = self._made(alert, content)
            row.element.move(target_index=place)
        if row.content != content:
            row.text.set_content(content)
            row.content = content
        if row.active != alert.active:
            row.active = alert.active
            row.switch.set_value(alert.active)

    def _made(self, alert: Alert, content: str) -> _Row:
        alert_id = alert.id
        with self._list, ui.element("li").classes("rule") as element:
            text = ui.html(content).classes("rule-text")
            switch = ui.switch(value=alert.active)
            switch.on_value_change(lambda event: self._on_switch(alert_id, event.value))
            switch.props(f'dense aria-label="Alert {alert_id} is on"').set_enabled(self._may_change)
            if self._may_change:
                delete = ui.button(icon="delete", on_click=lambda: self._on_delete(alert_id))
                delete.props(f'flat dense round aria-label="Delete alert {alert_id}"').classes("rule-delete")
        return _Row(element, text, switch, content, alert.active)

    async def _on_switch(self, alert_id: int, active: bool) -> None:  # noqa: FBT001 -- a callback
        row, alert = self._rows.get(alert_id), self._alerts.get(alert_id)
        if row is not None and alert is not None and row.active != active:
            row.active = active
            await self._toggle(alert, active)

    async def _on_delete(self, alert_id: int) -> None:
        alert = self._alerts.get(alert_id)
        if alert is None:
            return
        self._question.set_text(f"Delete the alert “{alert.name}”, and all that it found?")
        if await self._dialog == "delete":
            await self._remove(alert)
