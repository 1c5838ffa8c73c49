"""The player: one segment's clip, or why there is none, with what is known of it."""

from collections.abc import Awaitable, Callable
from datetime import timezone

from nicegui import ui

from cloud.catalog import CameraView, SegmentView
from cloud.page import markup, wording

_WAITING = {
    "none": "Asking for the clip…",
    "queued": "Waiting for the renderer…",
    "running": "Rendering…",
}
_ENDED = {"failed": "The clip failed.", "cancelled": "Nobody waits for this clip any more."}


class Player:
    """Shows one segment. `ended` is called when its clip has played, `retry` when the visitor asks again."""

    def __init__(self, ended: Callable[[], Awaitable[None]], retry: Callable[[], Awaitable[None]]) -> None:
        self._ended = ended
        self.playing = False
        self._source: str | None = None
        with ui.element("section").classes("player"):
            with ui.element("div").classes("screen"):
                self._video = ui.element("video").props("controls muted autoplay playsinline")
                self._video.on("ended", self._on_ended).on("error", self._on_error)
                with ui.element("div").classes("curtain") as self._curtain:
                    self._spinner = ui.spinner("dots", size="3em")
                    self._message = ui.label().classes("message")
                    self._retry = ui.button("Try again", on_click=retry).props("outline no-caps")
            self._heading = ui.label().classes("heading")
            self._facts = ui.html().classes("facts")
            self._layers = ui.html().classes("layers")
            with ui.element("details").classes("provenance") as self._provenance:
                ui.html("AI-reconstructed, not a recording: how this clip was made", tag="summary")
                self._statement = ui.label().classes("statement")
        self.clear("")

    def clear(self, message: str) -> None:
        """Show no segment, but a message."""
        self._stop()
        self._draw_curtain(message, spins=False, retries=False)
        self._heading.set_text("")
        for part in (self._facts, self._layers):
            part.set_content("")
        self._provenance.set_visibility(False)

    def show(self, segment: SegmentView, camera: CameraView | None, tz: timezone) -> None:
        """Show a segment: play its clip if there is one, else say how far it is."""
        self._heading.set_text(wording.heading(segment))
        self._facts.set_content(markup.facts(segment, camera, tz))
        self._layers.set_content(markup.layer_legend(segment))
        self._provenance.set_visibility(segment.clip is not None)
        if segment.clip is not None and segment.render == "done":
            self._statement.set_text(wording.provenance_text(segment.clip))
            self._play(segment.clip.video, segment.clip.poster)
        elif segment.render in _ENDED:
            self._stop()
            self._draw_curtain(segment.error or _ENDED[segment.render], spins=False, retries=True)
        else:
            self._stop()
            self._draw_curtain(_WAITING.get(segment.render, "Rendering…"), spins=True, retries=False)

    def rewind(self) -> None:
        """Scroll to the player, where it is not in view, and play from the start whatever is shown next."""
        self._source = None
        self._in_browser(
            'video.scrollIntoView({behavior: "smooth", block: "nearest"}); video.currentTime = 0'
        )

    def _in_browser(self, script: str) -> None:
        ui.run_javascript(f"const video = getElement({self._video.id}); {script}")

    def _play(self, source: str, poster: str) -> None:
        if source == self._source:
            return
        self._source, self.playing = source, True
        self._video.props["src"], self._video.props["poster"] = source, poster
        self._video.update()
        self._curtain.set_visibility(False)
        # Browsers begin by themselves only where the video is in view.
        self._in_browser("setTimeout(() => video.play().catch(() => {}), 50)")

    def _stop(self) -> None:
        if self._source is not None:
            self._video.props.pop("src", None)
            self._video.props.pop("poster", None)
            self._video.update()
        self._source, self.playing = None, False

    def _draw_curtain(self, message: str, *, spins: bool, retries: bool) -> None:
        self._message.set_text(message)
        self._spinner.set_visibility(spins)
        self._retry.set_visibility(retries)
        self._curtain.set_visibility(True)

    async def _on_ended(self) -> None:
        self.playing = False
        await self._ended()

    def _on_error(self) -> None:
        if self._source is not None:
            self._stop()
            self._draw_curtain("The clip cannot be played.", spins=False, retries=True)
