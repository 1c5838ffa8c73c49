"""Puts the page on the application. One process has one page: NiceGUI keeps its state in its module."""

from collections.abc import Callable
from pathlib import Path

from fastapi import FastAPI
from nicegui import ui

from cloud.api import Health
from cloud.page.view import View
from cloud.search import Search
from cloud.viewing import Viewing

_STYLE = Path(__file__).parent / "style.css"
_LIVE = Path(__file__).parent / "live.js"
_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" '
    'fill="#0c1117"/><path d="M6 23V10l10 9 10-9v13" fill="none" stroke="#5eead4" stroke-width="3.2" '
    'stroke-linejoin="round" stroke-linecap="round"/></svg>'
)


def mount(app: FastAPI, viewing: Viewing, search: Search, health: Callable[[], Health], broker: str) -> None:
    """Serve the page at / of `app`; `broker` is the address that it tells to whoever has no camera yet."""
    style, live = _STYLE.read_text(), _LIVE.read_text()

    @ui.page("/", title="Mirage", favicon=_ICON, dark=True)
    def page() -> None:
        ui.add_css(style)
        ui.add_head_html(f"<script>{live}</script>")
        view = View(viewing, search, health, broker)
        ui.timer(0.05, view.begin, once=True)

    ui.run_with(app, title="Mirage", favicon=_ICON, dark=True, tailwind=False, show_welcome_message=False)
