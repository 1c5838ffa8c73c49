"""The player: one segment's clip, or a camera's live view, with what is known of what is shown."""

import json
from collections.abc import Awaitable, Callable
from datetime import timezone

from nicegui import events, ui

from cloud.catalog import CameraView, SegmentView
from cloud.page import markup, wording
from cloud.page.provenance import provenance_list, takeaway

_WAITING = {
    "none": "Asking for the clip…",
    "queued": "Waiting for the renderer…",
    "running": "Rendering…",
}
_REFUSED = "More clips are asked for than your limit allows; this begins by itself."
_ENDED = {"failed": "The clip failed.", "cancelled": "Nobody waits for this clip any more."}


class Player:
    """Shows one segment. `ended` is called when its clip has played, `retry` when the visitor asks again.

    `cancel` is called when the visitor does not want to wait any more; without it there is no such button.
    Or it shows a live view (`live.js`): then `streamed` is the segment that is seen.
    """

    def __init__(
        self,
        ended: Callable[[], Awaitable[None]],
        retry: Callable[[], Awaitable[None]],
        cancel: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._ended = ended
        self.playing = False
        self.streamed: int | None = None
        self._source: str | None = None
        self._streams = False
        with ui.element("section").classes("player"):
            with ui.element("div").classes("screen"):
                self._video = ui.element("video").props("controls muted autoplay playsinline")
                self._video.on("ended", self._on_ended).on("error", self._on_error)
                self._video.on("shown", self._on_shown, args=["detail"])
                self._video.on("refused", self._on_refused, args=[])
                with ui.element("div").classes("curtain") as self._curtain:
                    self._spinner = ui.spinner("dots", size="3em")
                    self._message = ui.label().classes("message")
                    self._retry = ui.button("Try again", on_click=retry).props("outline no-caps")
                    self._cancel: ui.button | None = None
                    if cancel is not None:
                        self._cancel = ui.button("Cancel", on_click=cancel).props("flat no-caps")
            self._heading = ui.label().classes("heading")
            self._facts = ui.html().classes("facts")
            self._confidence = ui.html().classes("confidence")
            self._layers = ui.html().classes("layers")
            with ui.element("details").classes("provenance") as self._provenance:
                ui.html("AI-reconstructed, not a recording: how this clip was made", tag="summary")
                self._statement = ui.html().classes("statement")
            self._takeaway = ui.html().classes("takeaway")
        self.clear("")

    def clear(self, message: str) -> None:
        """Show no segment, but a message."""
        self._stop()
        self._draw_curtain(message, spins=False, retries=False)
        self._heading.set_text("")
        self._facts.set_content("")
        self._confidence.set_content("")
        self._layers.set_content("")
        for part in (self._provenance, self._takeaway):
            part.set_visibility(False)

    def show(self, segment: SegmentView, camera: CameraView | None, tz: timezone) -> None:
        """Show a segment: play its clip if there is one, else say how far it is."""
        self._describe(segment, camera, tz)
        if segment.clip is not None and segment.render == "done":
            self._play(segment.clip.video, segment.clip.poster)
        elif segment.render in _ENDED:
            self._stop()
            self._draw_curtain(segment.error or _ENDED[segment.render], spins=False, retries=True)
        else:
            self._stop()
            self._draw_curtain(_WAITING.get(segment.render, "Rendering…"), spins=True, retries=False)
            if self._cancel is not None:
                self._cancel.set_visibility(segment.render in ("queued", "running"))

    def show_live(
        self, path: str, segment: SegmentView | None, camera: CameraView | None, tz: timezone
    ) -> None:
        """Show the live view of the camera `path`, and what is known of the `segment` that is seen."""
        source = f"/api/v1/cameras/{path}/live.m3u8"
        if self._source != source:
            self._stop()
            self._source, self._streams, self.playing = source, True, True
            self._draw_curtain("Waiting for the live view…", spins=True, retries=False)
            self._in_browser(f"mirageLive.show(video, {json.dumps(source)})")
        if segment is not None:
            self._describe(segment, camera, tz)

    def rewind(self) -> None:
        """Scroll to the player, where it is not in view, and play from the start whatever is shown next."""
        self._source = None
        # At once, since a smooth scroll ends where it is when the page changes below it; and again when the
        # page grows or shrinks, as it does once the film is made, until the viewer goes elsewhere.
        self._in_browser(
            'const show = () => video.scrollIntoView({block: "nearest"}); show(); video.currentTime = 0; '
            "const watch = new ResizeObserver(show); watch.observe(document.body); watch.observe(video); "
            "const leave = () => watch.disconnect(); setTimeout(leave, 60000); "
            'for (const way of ["wheel", "touchmove", "keydown"]) addEventListener(way, leave, {once: true})'
        )

    def _describe(self, segment: SegmentView, camera: CameraView | None, tz: timezone) -> None:
        self._heading.set_text(wording.heading(segment))
        self._facts.set_content(markup.facts(segment, camera, tz))
        self._confidence.set_content(markup.confidence(segment))
        self._layers.set_content(markup.layer_legend(segment))
        for part in (self._provenance, self._takeaway):
            part.set_visibility(segment.clip is not None)
        if segment.clip is not None:
            self._statement.set_content(provenance_list(segment.clip))
            self._takeaway.set_content(takeaway(segment, segment.clip))

    def _in_browser(self, script: str) -> None:
        ui.run_javascript(f"const video = getElement({self._video.id}); {script}")

    def _play(self, source: str, poster: str) -> None:
        if source == self._source:
            return
        self._leave_stream()
        self._source, self.playing = source, True
        self._video.props["src"], self._video.props["poster"] = source, poster
        self._video.update()
        self._curtain.set_visibility(False)
        # Browsers begin by themselves only where the video is in view.
        self._in_browser("setTimeout(() => video.play().catch(() => {}), 50)")

    def _stop(self) -> None:
        self._leave_stream()
        if self._source is not None:
            self._video.props.pop("src", None)
            self._video.props.pop("poster", None)
            self._video.update()
        self._source, self.playing = None, False

    def _leave_stream(self) -> None:
        if self._streams:
            self._in_browser("mirageLive.leave(video)")
        self._streams, self.streamed = False, None

    def _draw_curtain(self, message: str, *, spins: bool, retries: bool) -> None:
        self._message.set_text(message)
        self._spinner.set_visibility(spins)
        self._retry.set_visibility(retries)
        if self._cancel is not None:
            self._cancel.set_visibility(False)
        self._curtain.set_visibility(True)

    async def _on_ended(self) -> None:
        if self._source is not None:  # else something else has been chosen meanwhile
            self.playing = False
            await self._ended()

    def _on_shown(self, event: events.GenericEventArguments) -> None:
        if self._streams:
            self.streamed = int(event.args["detail"])
            self._curtain.set_visibility(False)

    def _on_refused(self) -> None:
        if self._streams and self.streamed is None:
            self._draw_curtain(_REFUSED, spins=True, retries=False)

    def _on_error(self) -> None:
        if self._source is not None and not self._streams:  # the live view begins anew by itself
            self._stop()
            self._draw_curtain("The clip cannot be played.", spins=False, retries=True)
