"""What is at no address: the head with its links for people, the problem of the interface for programs."""

from fastapi import Request
from fastapi.responses import Response
from nicegui import Client, ui
from nicegui import app as pages

from cloud import problems
from cloud.page.nav import ICON, Nav


def add_nowhere_page(nav: Nav) -> None:
    """Answer what no page and no route is at; in place of NiceGUI's own page, which names exceptions."""

    async def nowhere(request: Request, _: Exception) -> Response:
        told = f"nothing is at {request.url.path}"
        if "text/html" not in request.headers.get("accept", ""):
            return problems.response(problems.NOT_FOUND, told, request.url.path)
        head = ui.page("", title="Not here · Mirage", favicon=ICON, dark=True)
        with Client(head, request=request) as client:
            with nav.header(request.url.path):
                pass
            with ui.element("div").classes("empty"):
                ui.label("There is no such page").classes("heading")
                ui.label(f"{told[0].upper()}{told[1:]}.")
        return client.build_response(request, problems.NOT_FOUND.status)

    pages.add_exception_handler(404, nowhere)
