"""What alerts found: cards that lead to their clips, the latest first."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timezone

from nicegui import ui
from nicegui.elements.html import Html

from cloud.alerts.hits import AlertHit
from cloud.page import alerts_markup


class HitList:
    """Cards by hit. A card changes only when what it shows does, so pictures do not flicker."""

    def __init__(self, more: Callable[[], Awaitable[None]]) -> None:
        self._cards: dict[int, Html] = {}
        self._content: dict[int, str] = {}
        with ui.element("section").classes("alert-hits").props('aria-label="Hits"'):
            ui.label("Hits").classes("title")
            self._none = ui.label("Nothing found yet. Alerts look at what comes from now on.")
            self._none.classes("alert-none")
            self._grid = ui.element("div").classes("timeline")
            self._more = ui.button("Show earlier", on_click=more).props("flat no-caps").classes("more")

    def show(
        self, hits: Sequence[AlertHit], names: Mapping[int, str], tz: timezone, *, has_more: bool
    ) -> None:
        """Show these, in this order; `names` are those of alerts."""
        wanted = {hit.id for hit in hits}
        for gone in self._cards.keys() - wanted:
            self._cards.pop(gone).delete()
            del self._content[gone]
        for place, hit in enumerate(hits):
            self._show(place, hit, alerts_markup.hit_card(hit, names.get(hit.alert, ""), tz))
        self._none.set_visibility(not hits)
        self._more.set_visibility(has_more)

    def _show(self, place: int, hit: AlertHit, content: str) -> None:
        if hit.id not in self._cards:
            with self._grid:
                card = ui.html(content, tag="a").classes("card hit")
            card.props["href"] = f"/?segment={hit.segment.id}"
            card.move(target_index=place)
            self._cards[hit.id] = card
        elif self._content[hit.id] != content:
            self._cards[hit.id].set_content(content)
        self._content[hit.id] = content
