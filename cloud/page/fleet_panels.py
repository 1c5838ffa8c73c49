"""Beside the fleet table: totals, bytes over time, who sends most, and what is near its budget."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from nicegui import ui

from cloud.fleet import DeviceNow
from cloud.page import wording
from cloud.page.fleet_rows import Cell
from cloud.usage.periods import DAY_MS, HOUR_MS, MINUTE_MS, Grain
from cloud.usage.query import Point

TOP = 8  # of a list
NEAR = 0.7  # of a budget: from here on it is told
_COLOURS = {
    "caption": "#60a5fa", "motion": "#fbbf24", "appearance-tokens": "#34d399", "appearance-detail": "#0d9488",
    "appearance-vector": "#a78bfa", "policy": "#f472b6", "header": "#64748b", "telemetry": "#38bdf8",
    "birth": "#c084fc", "state": "#94a3b8", "reply": "#f9a8d4", "mqtt": "#475569", "transport": "#334155",
    "resent": "#f87171", "gap": "#fb923c", "other": "#e2e8f0",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Range:
    """How far back a chart goes, and how wide its bars are."""

    label: str
    back_ms: int
    grain: Grain
    width_ms: int

    def bars(self, now_ms: int) -> range:
        """Give where bars begin."""
        return range(self.grain.start_ms(now_ms - self.back_ms) + self.width_ms, now_ms, self.width_ms)


RANGES = (
    Range("Hour", HOUR_MS, Grain.MINUTE, MINUTE_MS),
    Range("Day", DAY_MS, Grain.HOUR, HOUR_MS),
    Range("Month", 31 * DAY_MS, Grain.DAY, DAY_MS),
)


@dataclass(frozen=True, slots=True)
class Notice:
    """A budget, or something else that a person should know; `share` is used of it, if it is a budget."""

    place: str
    text: str
    share: float | None = None


class Tiles:
    """Numbers of all devices together."""

    def __init__(self) -> None:
        self._html = ""
        self._tiles = ui.html("", tag="div", sanitize=False).classes("fleet-tiles")

    def show(self, devices: Sequence[DeviceNow], currency: str | None) -> None:
        """Add devices up."""
        html = "".join(_tile(*each) for each in totals(devices, currency))
        if html != self._html:
            self._html = html
            self._tiles.set_content(html)


def totals(devices: Sequence[DeviceNow], currency: str | None) -> list[tuple[str, str, str]]:
    """Give value, name and class of each tile."""
    online, lost = (sum(device.state == state for device in devices) for state in ("ready", "lost"))
    alarms = sum(bool(device.alarms) for device in devices)
    over = sum(device.share is not None and device.share >= NEAR for device in devices)
    tiles = [
        (f"{online:,}", "online", ""),
        (f"{lost:,}", "lost", "bad" if lost else ""),
        (wording.bytes_text(sum(device.bytes_today for device in devices)), "today", ""),
        (f"{wording.bytes_text(round(sum(device.bytes_per_s for device in devices)))}/s", "now", ""),
        (f"{over:,}", "over 70 % of their budget", "bad" if over else ""),
        (f"{alarms:,}", "with alarms", "bad" if alarms else ""),
    ]
    costs = [device.cost for device in devices if device.cost is not None]
    if currency is not None and costs:
        tiles.insert(4, (f"{sum(costs):,.2f} {currency}", "this month", ""))
    return tiles


def _tile(value: str, name: str, kind: str) -> str:
    return f'<div class="fleet-tile {kind}"><b>{escape(value)}</b><span>{escape(name)}</span></div>'


class TopTalkers:
    """Who sends most just now."""

    def __init__(self) -> None:
        self._html = ""
        with ui.element("section").classes("fleet-panel").props('aria-label="Top talkers"'):
            with ui.element("div").classes("fleet-panel-head"):
                ui.label("Top talkers").classes("title")
            self._list = ui.html("", tag="ol", sanitize=False).classes("fleet-list fleet-top")

    def show(self, devices: Sequence[DeviceNow]) -> None:
        """Show the first of them."""
        top = [each for each in top_talkers(devices, TOP) if each.bytes_per_s]
        most = max((each.bytes_per_s for each in top), default=1.0)
        html = "".join(
            f'<li><span class="name">{escape(each.id)}</span>'
            f"<b>{wording.bytes_text(round(each.bytes_per_s))}/s</b>{_bar(each.bytes_per_s / most, '')}</li>"
            for each in top
        )
        if html != self._html:
            self._html = html
            self._list.set_content(html)


def top_talkers(devices: Sequence[DeviceNow], limit: int) -> list[DeviceNow]:
    """Give those that send most, by their rate and then by what they sent today."""
    return sorted(devices, key=lambda each: (-each.bytes_per_s, -each.bytes_today, each.id))[:limit]


class Notices:
    """Budgets that are nearly used, and what else was found out."""

    def __init__(self) -> None:
        self._html = ""
        with ui.element("section").classes("fleet-panel").props('aria-label="Budgets and alerts"'):
            with ui.element("div").classes("fleet-panel-head"):
                ui.label("Budgets and alerts").classes("title")
            self._list = ui.html("", tag="ul", sanitize=False).classes("fleet-list")

    def show(self, notices: Sequence[Notice]) -> None:
        """Show them as they come."""
        html = "".join(_notice(each) for each in notices) or "<li class='quiet'>Nothing to tell.</li>"
        if html != self._html:
            self._html = html
            self._list.set_content(html)


def of_devices(devices: Sequence[DeviceNow]) -> list[Notice]:
    """Tell of devices whose budgets are nearly used, or will not last by the forecast; the worst first."""
    near = [each for each in devices if (each.share or 0) >= NEAR or (each.ahead or 0) >= 1]
    near.sort(key=lambda each: (-(each.share or 0), -(each.ahead or 0)))
    return [Notice(each.id, used_text(each.share or 0, each.ahead), each.share) for each in near[:TOP]]


def used_text(share: float, ahead: float | None) -> str:
    """Say what of a budget is used, and where that leads if it leads beyond."""
    used = f"{100 * share:.0f} %"
    return used if ahead is None or ahead < 1 or share >= 1 else f"{used} → {100 * ahead:.0f} %"


def _notice(notice: Notice) -> str:
    kind = "" if notice.share is None else "bad" if notice.share >= 1 else "warn"
    near = "near" if (notice.share or 0) >= NEAR else ""
    bar = "" if notice.share is None else _bar(notice.share, "over" if notice.share >= 1 else near)
    place = escape(notice.place or "whole fleet")
    name = f'<span class="name" title="{place}">{place}</span>'
    return f'<li>{name}<b class="{kind}">{escape(notice.text)}</b>{bar}</li>'


def _bar(share: float, kind: str) -> str:
    width = 100 * min(max(share, 0.0), 1.0)
    return (
        f'<span class="fleet-bar {kind}"><span class="fleet-fill" style="width:{width:.1f}%"></span></span>'
    )


class Chart:
    """Bytes over time, stacked by layer: of `home`, which is all that the visitor sees, or of one device."""

    def __init__(
        self, home: str, changed: Callable[[], Awaitable[None]], clear: Callable[[], Awaitable[None]]
    ) -> None:
        self.range = RANGES[0]
        self._home = home
        self._changed = changed
        self._buttons: dict[str, ui.element] = {}
        self._drawn: list[dict[str, Any]] = []
        with ui.element("section").classes("fleet-panel").props('aria-label="Bytes over time"'):
            with ui.element("div").classes("fleet-panel-head"):
                self._title = ui.label("Bytes over time").classes("title")
                self._clear = ui.element("button").classes("fleet-clear").props('type="button"')
                with self._clear:
                    ui.html("all devices", tag="span", sanitize=False)
                self._clear.on("click", clear)
                self._clear.set_visibility(False)
                with ui.element("div").classes("fleet-ranges").props('role="group" aria-label="Time"'):
                    for each in RANGES:
                        self._buttons[each.label] = self._button(each)
            self._chart = ui.echart(_empty()).classes("fleet-chart")
            self._none = ui.label("No bytes were reported in this time.").classes("fleet-none")
            self._none.set_visibility(False)

    def show(self, points: Sequence[Point], place: str, now_ms: int) -> None:
        """Draw what a place sent up to now."""
        self._title.set_text(f"Bytes over time: {place}" if place else "Bytes over time")
        self._clear.set_visibility(place != self._home)
        drawn = series_of(points, self.range.bars(now_ms))
        self._none.set_visibility(not drawn)
        if drawn != self._drawn:
            self._drawn = drawn
            self._chart.options["series"] = drawn
            self._chart.update()

    def _button(self, wanted: Range) -> ui.element:
        button = ui.element("button").classes("fleet-range")
        button.props(f'type="button" aria-pressed="{"true" if wanted is self.range else "false"}"')
        with button:
            ui.html(wanted.label, tag="span", sanitize=False)

        async def choose() -> None:
            self.range = wanted
            for label, each in self._buttons.items():
                each.props(f'aria-pressed="{"true" if label == wanted.label else "false"}"')
            await self._changed()

        button.on("click", choose)
        return button


def series_of(points: Sequence[Point], bars_ms: Sequence[int]) -> list[dict[str, Any]]:
    """Lay out what was sent as ECharts takes it: layers first, in the order of their colours.

    `bars_ms` is where bars begin; those of which nothing is known are empty.
    """
    names = {name for each in points for name, size in each.layers.items() if size}
    ordered = [name for name in _COLOURS if name in names] + sorted(names - _COLOURS.keys())
    return [
        {
            "name": wording.layer_text(name),
            "type": "bar",
            "stack": "bytes",
            "barCategoryGap": "12%",
            "itemStyle": {"color": _COLOURS.get(name, "#e2e8f0")},
            "data": _bars(points, bars_ms, name),
        }
        for name in ordered
    ]


def _bars(points: Sequence[Point], bars_ms: Sequence[int], name: str) -> list[list[Cell]]:
    sizes = {each.start_ms: each.layers.get(name, 0) for each in points}
    return [[at_ms, sizes.get(at_ms, 0)] for at_ms in sorted({*bars_ms, *sizes})]


def _empty() -> dict[str, Any]:
    quiet = {"color": "#8a97a6"}
    return {
        "animationDuration": 300,
        "grid": {"left": 62, "right": 12, "top": 34, "bottom": 26},
        "legend": {"type": "scroll", "top": 0, "textStyle": quiet, "pageTextStyle": quiet, "itemHeight": 9},
        "tooltip": {
            "trigger": "axis",
            "axisPointer": {"type": "shadow"},
            ":valueFormatter": "value => mirageFleet.bytes(value)",
        },
        "xAxis": {
            "type": "time",
            "axisLabel": {**quiet, "hideOverlap": True},
            "axisLine": {"lineStyle": {"color": "#222c37"}},
        },
        "yAxis": {
            "type": "value",
            "axisLabel": {**quiet, ":formatter": "value => mirageFleet.bytes(value)"},
            "splitLine": {"lineStyle": {"color": "#1b232c"}},
        },
        "series": [],
    }
