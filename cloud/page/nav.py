"""The head that all pages share: the name, links to the pages that there are, and whatever a page adds.

    ▦ Mirage   Watch  Alerts  Jobs  Fleet                                     (what the page adds)

A page joins with a route of its own and one line:

    nav.add("/alerts")
    @ui.page("/alerts", title="Alerts · Mirage", favicon=ICON, dark=True)
    def page() -> None:
        with nav.header("/alerts"):
            …                      # what stands at the right end of the head
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nicegui import ui

from cloud.page.account import account

PAGES = {"/": "Watch", "/alerts": "Alerts", "/jobs": "Jobs", "/fleet": "Fleet"}  # in the order of the links
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" '
    'fill="#0c1117"/><path d="M6 23V10l10 9 10-9v13" fill="none" stroke="#5eead4" stroke-width="3.2" '
    'stroke-linejoin="round" stroke-linecap="round"/></svg>'
)
_STYLE = Path(__file__).parent


class Nav:
    """The pages of this process. They are all there before the first visitor is."""

    def __init__(self) -> None:
        self._there: set[str] = set()

    def add(self, path: str) -> None:
        """Let a page be linked to; raises ValueError for one that `PAGES` has no name for."""
        if path not in PAGES:
            raise ValueError(f"page {path!r} has no name among {', '.join(PAGES)}")
        self._there.add(path)

    @contextmanager
    def header(self, path: str, *styles: str) -> Iterator[None]:
        """Begin the page at `path`: its looks (`styles` are files beside this one) and its head."""
        for name in ("style.css", "nav.css", *styles):
            ui.add_css((_STYLE / name).read_text())
        ui.colors(primary="#14b8a6")
        with ui.element("header").classes("top"):
            ui.html('<span class="logo"></span>Mirage').classes("brand")
            ui.label("Video as its meaning").classes("claim")
            self._links(path)
            yield
            account()

    def _links(self, path: str) -> None:
        if len(self._there) < 2:
            return
        with ui.element("nav").classes("pages").props('aria-label="Pages"'):
            for each, name in PAGES.items():
                if each in self._there:
                    link = ui.link(name, each).classes("page-link")
                    if each == path:
                        link.props('aria-current="page"')
