"""The timeline: segments as cards, the newest first; `draw` gives the inside of one."""

from collections.abc import Awaitable, Callable
from datetime import timezone

from nicegui import ui
from nicegui.elements.html import Html

from cloud.catalog import SegmentView
from cloud.page import markup


class Timeline:
    """Cards by segment. A card changes only when its segment does, so pictures do not flicker."""

    def __init__(
        self,
        choose: Callable[[int], Awaitable[None]],
        more: Callable[[], Awaitable[None]],
        draw: Callable[[SegmentView, timezone], str] = markup.segment_card,
    ) -> None:
        self._choose = choose
        self._draw = draw
        self._cards: dict[int, Html] = {}
        self._shown: dict[int, SegmentView] = {}
        self._chosen: int | None = None
        self._grid = ui.element("div").classes("timeline")
        self._more = ui.button("Show earlier", on_click=more).props("flat no-caps").classes("more")

    def show(self, segments: list[SegmentView], tz: timezone, *, has_more: bool) -> None:
        """Show these, the newest first."""
        wanted = {segment.id for segment in segments}
        for gone in self._cards.keys() - wanted:
            self._cards.pop(gone).delete()
            del self._shown[gone]
        for place, segment in enumerate(segments):
            self._show_one(segment, place, tz)
        self._more.set_visibility(has_more)

    def mark(self, chosen: int | None) -> None:
        """Mark the segment that is in the player."""
        if chosen == self._chosen:
            return
        if self._chosen in self._cards:
            self._cards[self._chosen].classes(remove="chosen")
        if chosen in self._cards:
            self._cards[chosen].classes(add="chosen")
        self._chosen = chosen

    def _show_one(self, segment: SegmentView, place: int, tz: timezone) -> None:
        card = self._cards.get(segment.id)
        if card is None:
            with self._grid:
                card = ui.html(self._draw(segment, tz), tag="button").classes("card")
            card.props["data-segment"] = segment.id
            card.on("click", lambda _event, chosen=segment.id: self._choose(chosen))
            card.move(target_index=place)
            self._cards[segment.id] = card
            if segment.id == self._chosen:
                card.classes(add="chosen")
        elif self._shown[segment.id] != segment:
            card.set_content(self._draw(segment, tz))
        self._shown[segment.id] = segment
