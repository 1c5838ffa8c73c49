"""Puts the page on the application. One process has one page: NiceGUI keeps its state in its module."""

from collections.abc import Callable
from pathlib import Path

from fastapi import FastAPI, Request
from nicegui import app as pages
from nicegui import ui

from cloud import problems
from cloud.access.asks import asking_of
from cloud.access.declare import requires
from cloud.access.roles import Role
from cloud.api import Health
from cloud.page.nav import ICON, Nav
from cloud.page.nowhere import add_nowhere_page
from cloud.page.sight import Sight
from cloud.page.view import View
from cloud.search import Search
from cloud.viewing import Viewing

_LIVE = Path(__file__).parent / "live.js"


def mount(
    app: FastAPI, nav: Nav, viewing: Viewing, search: Search, health: Callable[[], Health], broker: str
) -> None:
    """Serve the page at / of `app`; `broker` is the address that it tells to whoever has no camera yet.

    `?segment=` opens it with one.
    """
    live = _LIVE.read_text()
    nav.add("/")

    pages.add_exception_handler(problems.ProblemError, problems.answer)
    pages.add_exception_handler(Exception, problems.failed)  # in place of NiceGUI's page, which names them
    add_nowhere_page(nav)

    @ui.page("/", title="Mirage", favicon=ICON, dark=True, dependencies=[requires(Role.VIEWER)])
    def page(request: Request, segment: str = "") -> None:
        ui.add_head_html(f"<script>{live}</script>")
        view = View(nav, Sight(viewing, search, asking_of(request)), health, broker)
        ui.timer(0.05, lambda: view.begin(segment), once=True)

    ui.run_with(
        app, title="Mirage", favicon=ICON, dark=True, tailwind=False, show_welcome_message=False,
        reconnect_timeout=10.0,  # after that a page begins anew, and what was chosen is forgotten
    )  # fmt: skip
