"""The search box, and what it finds as someone types: cards like the timeline's, of all cameras."""

from collections.abc import Awaitable, Callable
from datetime import timezone
from urllib.parse import urlencode

from nicegui import events, run, ui

from cloud.catalog import SegmentView
from cloud.page import markup, wording
from cloud.page.timeline import Timeline
from cloud.page.trouble import UNWELL
from cloud.query import Query
from cloud.search import MAX_TEXT, Page, Wanted
from cloud.store import StoreError

PAGE = 24  # results shown at first, and added by "Show earlier"
_BOX = (
    f'type="search" maxlength="{MAX_TEXT}" debounce="300" aria-label="Search captions" '
    "outlined dense clearable"
)


class Finder:
    """Shows results while there is something in the box; `changed` is called when that begins or ends.

    `choose` is called with the result that the visitor wants to see. Who `may_save` is offered an alert.
    """

    def __init__(
        self,
        find: Callable[[Wanted], Page],
        choose: Callable[[SegmentView], Awaitable[None]],
        changed: Callable[[bool], None],
        zone: Callable[[], timezone],
        *,
        may_save: bool,
    ) -> None:
        self._find = find
        self._choose = choose
        self._changed = changed
        self._zone = zone
        self._found: dict[int, SegmentView] = {}
        self._cursor: str | None = None
        self._text = ""
        with ui.element("div").classes("finder").props('role="search"'):
            self._box = ui.input(placeholder='Search: car "to the left" -rain', on_change=self._on_change)
            self._box.props(_BOX).on("keydown.escape", lambda: self._box.set_value(""))
            with ui.element("div").classes("found-line"):
                self._told = ui.label().classes("told-found").props('role="status"')
                self._save = ui.link("Save as alert", "/alerts").classes("save-alert")
        with ui.element("div").classes("found").props('aria-label="Search results"') as self._list:
            self._cards = Timeline(self._on_choice, self._more, draw=markup.found_card)
        self._list.set_visibility(False)
        self._told.set_visibility(False)
        self._may_save = may_save
        self._save.set_visibility(False)

    @property
    def shown(self) -> list[int]:
        """Name the results that are shown."""
        return list(self._found)

    def update(self, segments: list[SegmentView]) -> None:
        """Show how results are by now: their clips may have been made."""
        changed = {segment.id: segment for segment in segments if segment.id in self._found}
        if any(self._found[number] != segment for number, segment in changed.items()):
            self._found |= changed
            self._show()

    def mark(self, chosen: int | None) -> None:
        """Mark the segment that is in the player."""
        self._cards.mark(chosen)

    async def _on_change(self, event: "events.ValueChangeEventArguments[str | None]") -> None:
        self._text = (event.value or "").strip()[:MAX_TEXT]
        self._list.set_visibility(bool(self._text))
        self._told.set_visibility(bool(self._text))
        self._save.set_visibility(self._may_save and bool(Query.parse(self._text).wanted))
        self._save.props["href"] = f"/alerts?{urlencode({'query': self._text})}"
        self._changed(bool(self._text))
        self._found, self._cursor = {}, None
        if self._text:
            await self._more()
        else:
            self._show()

    async def _more(self) -> None:
        """Add a page of results, unless something else is in the box by then."""
        text = self._text
        wanted = Wanted(text, {}, limit=PAGE, cursor=self._cursor)
        try:
            page = await run.io_bound(self._find, wanted)
        except StoreError:  # the head of the page says more to who may know
            self._told.set_text(UNWELL)
            return
        if page is None or text != self._text:  # None: the server is shutting down
            return
        self._found |= {hit.segment.id: hit.segment for hit in page.results}
        self._cursor = page.cursor
        self._told.set_text(wording.found_text(len(self._found), more=page.cursor is not None))
        self._show()

    def _show(self) -> None:
        self._cards.show(list(self._found.values()), self._zone(), has_more=self._cursor is not None)

    async def _on_choice(self, segment_id: int) -> None:
        if segment_id in self._found:
            await self._choose(self._found[segment_id])
