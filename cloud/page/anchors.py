"""Below the player: the reference pictures of the camera that is shown, for operators to add and remove."""

from collections.abc import Callable, Sequence
from html import escape

from nicegui import events, run, ui

from cloud.anchor_book import KINDS, MAX_BYTES, Anchor
from cloud.objects import ObjectsError
from cloud.page.sight import Sight
from cloud.page.trouble import told
from cloud.render.anchors import AnchorError
from cloud.store import StoreError

ROUND_S = 2.0
_KINDS = {"place": "Place, empty", "thing": "Thing", "people": "People", "stand-in": "Stand-in"}
_NOTE = (
    "Clips are made with these. A picture of the place is to show it without people and cars: what is on it "
    "may be shown wherever the camera does not say otherwise."
)
_WIDER = (
    "It is for cameras beyond your scope, too: clips are made with it, and whoever sees all of these cameras "
    "can see and remove it."
)


class AnchorPanel:
    """Lists them, and takes uploads. `camera` gives the one that is shown; viewers see nothing of this."""

    def __init__(self, sight: Sight, camera: Callable[[], str | None]) -> None:
        self._sight = sight
        self._camera = camera
        self._shown: tuple[str | None, Sequence[Anchor]] | None = None
        if not sight.may_cancel:
            return
        with ui.element("details").classes("anchors"):
            with ui.element("summary"):
                ui.label("Reference pictures")
            ui.label(_NOTE).classes("anchors-note")
            self._list = ui.element("ul").classes("anchors-list")
            with ui.element("div").classes("anchors-form"):
                self._kind = ui.select(_KINDS, value="place", label="Shows").props("dense outlined")
                self._word = ui.input("Word of captions").props("dense outlined maxlength=64")
                self._word.bind_visibility_from(self._kind, "value", value="thing")
                self._upload = ui.upload(
                    label="Add a picture", auto_upload=True, max_file_size=MAX_BYTES, on_upload=self._add,
                    on_rejected=lambda: ui.notify(f"Larger than {MAX_BYTES:,} bytes", type="warning"),
                ).props('accept="image/jpeg,image/png,image/webp" flat bordered')  # fmt: skip
        ui.timer(ROUND_S, self.round)

    async def round(self) -> None:
        """Bring it in step with the store."""
        now = await run.io_bound(self._look)
        if now is not None and now != self._shown:  # None: the server is shutting down
            self._shown = now
            self._draw(now[1])

    def _look(self) -> tuple[str | None, Sequence[Anchor]]:
        camera = self._camera()
        try:
            return camera, () if camera is None else self._sight.anchors(camera)
        except StoreError:
            return camera, ()

    def _draw(self, anchors: Sequence[Anchor]) -> None:
        self._list.clear()
        with self._list:
            for each in anchors:
                with ui.element("li"):
                    self._draw_one(each)

    def _draw_one(self, anchor: Anchor) -> None:
        word = f" “{anchor.word}”" if anchor.word else ""
        what = f"<b>{escape(anchor.kind)}{escape(word)}</b>"
        if not anchor.is_shown_to(self._sight.caller):
            ui.label("not shown").classes("anchors-hidden")
            ui.html(f"{what} of {escape(anchor.camera)}. {_WIDER}", tag="span")
            return
        ui.html(f'<img src="/api/v1/anchors/{anchor.id}/picture" alt="" loading="lazy">')
        ui.html(f"{what} {escape(anchor.name)}", tag="span")
        remove = ui.button("Remove", on_click=lambda _event, number=anchor.id: self._remove(number))
        remove.props(f'flat dense no-caps aria-label="Remove picture {anchor.id}"')

    async def _add(self, event: events.UploadEventArguments) -> None:
        data, camera = await event.file.read(), self._camera()
        self._upload.reset()
        if camera is None:
            return
        kind = next(each for each in KINDS if each == self._kind.value)
        word = str(self._word.value or "").strip().lower() if kind == "thing" else ""
        name = event.file.name
        try:
            await run.io_bound(lambda: self._sight.add_anchor(data, (kind, camera, word), name))
        except (AnchorError, StoreError, ObjectsError) as error:
            ui.notify(told(error, self._sight.caller), type="warning")
        await self.round()

    async def _remove(self, anchor_id: int) -> None:
        try:
            await run.io_bound(self._sight.remove_anchor, anchor_id)
        except (StoreError, ObjectsError) as error:
            ui.notify(told(error, self._sight.caller), type="warning")
        await self.round()
