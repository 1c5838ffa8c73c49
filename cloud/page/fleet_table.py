"""The table of all devices: AG Grid draws the rows that are in sight, and is sent those that have changed."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from nicegui import ui

from cloud.fleet import DeviceNow
from cloud.page.fleet_rows import Row, changes, row_of

_FILTERS = {
    "all": "All", "ready": "Online", "sleeping": "Asleep", "lost": "Lost", "alarms": "Alarms",
    "budget": "Over 70 %", "ahead": "Will exceed",
}  # fmt: skip
_BOX = 'type="search" aria-label="Search devices" outlined dense clearable'


class FleetTable:
    """Shows devices; sorting, searching and filtering are the browser's work."""

    def __init__(self, currency: str | None, compare: str, ready: Callable[[], Awaitable[None]]) -> None:
        """Show costs where there is a `currency`; ratios are to the video that `compare` names.

        `ready` is called once rows can be shown.
        """
        self._rows: dict[str, Row] = {}
        self._ready = ready
        self.is_ready = False
        with ui.element("div").classes("fleet-tools").props('role="search"'):
            box = ui.input(placeholder="Search: name, site, firmware…").props(_BOX).classes("fleet-search")
            box.on("update:model-value", js_handler="(text) => mirageFleet.search(text ?? '')")
            with ui.element("div").classes("fleet-filters").props('role="group" aria-label="Show only"'):
                for kind, label in _FILTERS.items():
                    _button(kind, label)
            ui.label("loading").classes("fleet-count").props('role="status"')
        self._grid = ui.aggrid(_options(currency, compare), theme="quartz", auto_size_columns=False)
        self._grid.classes("fleet-grid").props('aria-label="Devices"')
        self._grid.on("gridReady", self._on_ready, args=[])

    def has(self, device: str) -> bool:
        """Tell whether the visitor is shown a device."""
        return device in self._rows

    def show(self, devices: Sequence[DeviceNow]) -> int:
        """Bring the table in step; tell how many rows were sent."""
        rows = [row_of(device) for device in devices]
        found = changes(self._rows, rows)
        if found:
            self._grid.run_grid_method("applyTransaction", found.transaction())
            self._rows = {str(row["id"]): row for row in rows}
        return len(found.add) + len(found.update) + len(found.remove)

    async def _on_ready(self) -> None:
        self._rows.clear()  # a grid that was made anew is empty
        self.is_ready = True
        await self._ready()


def _button(kind: str, label: str) -> None:
    button = ui.element("button").classes("fleet-filter")
    button.props(f'type="button" aria-pressed="{"true" if kind == "all" else "false"}"')
    button.on("click", js_handler=f"(event) => mirageFleet.only('{kind}', event.currentTarget)")
    with button:
        ui.html(label, tag="span", sanitize=False)


def _options(currency: str | None, compare: str) -> dict[str, Any]:  # AG Grid's options are what they are
    return {
        "columnDefs": _columns(currency, compare),
        "defaultColDef": {"sortable": True, "resizable": True, "suppressMovable": False, "minWidth": 70},
        "rowData": [],
        "rowHeight": 38,
        "headerHeight": 38,
        "animateRows": False,
        "ensureDomOrder": True,
        "enableCellTextSelection": True,
        "rowSelection": {"mode": "singleRow", "checkboxes": False, "enableClickSelection": True},
        "overlayNoRowsTemplate": "<span>No device.</span>",
        ":getRowId": "params => params.data.id",
        ":onGridReady": "params => mirageFleet.ready(params)",
        ":onModelUpdated": "() => mirageFleet.count()",
        ":onSelectionChanged": "params => mirageFleet.chosen(params)",
        ":isExternalFilterPresent": "() => mirageFleet.filters()",
        ":doesExternalFilterPass": "node => mirageFleet.passes(node)",
    }


def _columns(currency: str | None, compare: str) -> list[dict[str, Any]]:
    columns = [
        {"field": "device", "headerName": "Device", "minWidth": 120, "flex": 2, "tooltipField": "id"},
        {"field": "state", "headerName": "State", "width": 120, ":cellRenderer": "mirageFleet.state"},
        _number("bytes_today", "Today", 100, "mirageFleet.bytes(params.value)"),
        _number("bytes_per_s", "Rate", 95, "mirageFleet.rate(params.value)"),
        _number("share", "Of budget", 130, None, ":cellRenderer", "mirageFleet.share"),
        _number("ahead", "Forecast", 100, None, ":cellRenderer", "mirageFleet.ahead"),
        _number("ratio", f"vs {compare}", 95, "mirageFleet.ratio(params.value)"),
        _number("spool_bytes", "Spool", 130, "mirageFleet.spool(params.data)"),
        _number("seen_ms", "Seen", 105, "mirageFleet.age(params.value)"),
        {"field": "link", "headerName": "Link", "width": 90},
        {"field": "site", "headerName": "Site", "minWidth": 110, "flex": 1},
        {"field": "firmware", "headerName": "Firmware", "width": 130},
        {"field": "bundle", "headerName": "Bundle", "width": 90},
        {"field": "alarms", "headerName": "Alarms", "minWidth": 110, "flex": 1, "cellClass": "fleet-alarm"},
    ]
    if currency is not None:
        columns.insert(7, _number("cost", f"Cost, {currency}", 105, "mirageFleet.money(params.value)"))
    return columns


def _number(
    name: str, title: str, width: int, text: str | None, renderer: str = "", renders: str = ""
) -> dict[str, Any]:
    """Lay out a column of numbers, of which the largest come first."""
    column = {
        "field": name, "headerName": title, "width": width, "type": "rightAligned",
        "cellClass": ["ag-right-aligned-cell", "fleet-number"], ":getQuickFilterText": "() => ''",
    }  # fmt: skip
    if text is not None:
        column[":valueFormatter"] = f"params => {text}"
    if renderer:
        column[renderer] = renders
    return column
