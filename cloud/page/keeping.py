"""Below the player: whether what is shown is kept although its time will be over, and a button for that."""

from collections.abc import Callable
from dataclasses import dataclass

from nicegui import run, ui

from cloud.catalog import UnknownSegmentError
from cloud.page.sight import Sight
from cloud.page.trouble import told
from cloud.retention.keeps import KeepError
from cloud.store import StoreError

ROUND_S = 2.0
_KEEPS = "Kept beyond its time"


@dataclass(frozen=True, slots=True)
class _State:
    """Whether a segment is kept; `own` is the interval of just this one, which the button lets go again."""

    segment_id: int | None = None
    kept: bool = False
    own: int | None = None


class KeepButton:
    """Says so to all, and lets operators change it. `chosen` gives the segment that is shown."""

    def __init__(self, sight: Sight, chosen: Callable[[], int | None]) -> None:
        self._sight = sight
        self._chosen = chosen
        self._state = _State()
        with ui.element("div").classes("keeping") as self._row:
            self._told = ui.label(_KEEPS).classes("tag")
            self._button = ui.button("Keep", on_click=self._toggle).props("flat dense no-caps")
        self._draw()
        ui.timer(ROUND_S, self.round)

    async def round(self) -> None:
        """Bring it in step with the store."""
        state = await run.io_bound(self._look)
        if state is not None and state != self._state:  # None: the server is shutting down
            self._state = state
            self._draw()

    def _look(self) -> _State:
        """Read the store; runs on a thread of its own."""
        segment_id = self._chosen()
        if segment_id is None:
            return _State()
        try:
            segment, kept = self._sight.segment(segment_id), self._sight.kept(segment_id)
        except (UnknownSegmentError, StoreError):
            return _State()
        bounds = (segment.start_ms, segment.start_ms + max(segment.duration_ms, 1))
        own = next((each.id for each in kept if (each.from_ms, each.to_ms) == bounds), None)
        return _State(segment_id, bool(kept), own)

    def _draw(self) -> None:
        state, may = self._state, self._sight.may_cancel
        self._row.set_visibility(state.segment_id is not None and (may or state.kept))
        self._told.set_visibility(state.kept)
        # What a longer interval keeps is let go where that was made.
        self._button.set_visibility(may and (not state.kept or state.own is not None))
        self._button.set_text("Let go" if state.kept else "Keep")
        label = "Let retention remove this segment" if state.kept else "Keep this segment beyond its time"
        self._button.props(f'aria-label="{label}"')

    async def _toggle(self) -> None:
        trouble = await run.io_bound(self._change, self._state)
        if trouble:
            ui.notify(trouble, type="warning")
        await self.round()

    def _change(self, state: _State) -> str:
        """Keep what is shown, or let it go; say why that was not possible."""
        try:
            if state.segment_id is None:
                return ""
            if state.own is not None:
                self._sight.let_go(state.segment_id, state.own)
            elif not state.kept:
                self._sight.keep(state.segment_id)
        except (UnknownSegmentError, KeepError, StoreError) as error:
            return told(error, self._sight.caller)
        return ""
