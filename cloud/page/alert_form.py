"""Where an alert is written: as a search, and what it would have found is told while someone types."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timezone

from nicegui import run, ui
from nicegui.elements.input import Input

from cloud.access.roles import Caller
from cloud.alerts.book import Book
from cloud.alerts.history import Trial
from cloud.alerts.rules import MAX_COOLDOWN_S, MAX_NAME, MAX_WEBHOOK, AlertError, Draft
from cloud.page import alerts_markup
from cloud.page.trouble import told
from cloud.search import MAX_TEXT
from cloud.store import StoreError

EVERYWHERE = "Everywhere"


class AlertForm:
    """Makes alerts; `made` is called after each.

    `zone` is the visitor's time zone, and `zone_name` what it is called.
    """

    def __init__(self, book: Book, caller: Caller, query: str, made: Callable[[], Awaitable[None]]) -> None:
        self._book = book
        self._caller = caller
        self._made = made
        self.zone: timezone | None = None
        self.zone_name = "UTC"
        with ui.element("section").classes("alert-panel").props('aria-label="New alert"'):
            ui.label("New alert").classes("title")
            with ui.element("form").classes("alert-form").on("submit.prevent", self._save):
                self._build(query)
            self._trouble = ui.label().classes("alert-trouble").props('role="alert"')
            self._trial = ui.html("").classes("trial").props('role="status"')
        self._trouble.set_visibility(False)

    def _build(self, query: str) -> None:
        self._query = _text("Captions that say", MAX_TEXT, 'car "to the left" -rain', query)
        self._query.on_value_change(self.tell)
        self._name = _text("Name", MAX_NAME, "the words themselves")
        self._place = ui.select([EVERYWHERE], value=EVERYWHERE, label="Where", on_change=self.tell)
        self._place.props("outlined dense options-dense")
        with ui.element("details").classes("alert-more"):
            ui.html("Hours, quiet time, webhook", tag="summary")
            with ui.element("div").classes("alert-form"):
                self._hours = _text("Only from - to", 11, "22:00-06:00")
                self._hours.on_value_change(self.tell)
                self._cooldown = ui.number(
                    "Seconds that a camera is quiet after a hit",
                    value=60, min=0, max=MAX_COOLDOWN_S, precision=0, on_change=self.tell,
                ).props("outlined dense debounce=400")  # fmt: skip
                self._webhook = _text("Webhook", MAX_WEBHOOK, "https://…")
                self._webhook.set_visibility(self._book.has_webhooks)
        ui.button("Save alert").props('type="submit" no-caps unelevated').classes("alert-save")

    def offer(self, cameras: Sequence[str]) -> None:
        """Offer the places of these cameras, tenant/site/device/camera."""
        own = self._caller.scope.path
        found = {"/".join(camera.split("/")[:depth]) for camera in cameras for depth in (1, 2, 3, 4)}
        places = sorted(place for place in found if self._caller.sees(place))
        options = places if own is not None else [EVERYWHERE, *places]
        if own is not None and own not in options:
            options = [own, *options]
        if options != self._place.options:
            value = self._place.value if self._place.value in options else options[0]
            self._place.set_options(options, value=value)

    async def tell(self) -> None:
        """Say what the alert would have found, or why it cannot be."""
        self._trouble.set_visibility(False)
        if not (self._query.value or "").strip():
            self._trial.set_content("")
            return
        given = self._given()
        found = await run.io_bound(self._tried)
        if found is not None and given == self._given():  # None: the server is shutting down
            self._show(found)

    def _show(self, found: Trial | str) -> None:
        if isinstance(found, str):
            self._trial.set_content("")
            self._trouble.set_text(found)
            self._trouble.set_visibility(True)
        else:
            self._trial.set_content(alerts_markup.trial(found, self.zone or timezone.utc))

    def _tried(self) -> Trial | str:
        """Try what is written; runs on a thread of its own."""
        try:
            return self._book.tried(self._draft(), scope=self._caller.scope, role=self._caller.role)
        except (AlertError, StoreError) as error:
            return told(error, self._caller)

    async def _save(self) -> None:
        trouble = await run.io_bound(self._saved)
        if trouble is None:
            return
        if trouble:
            self._show(trouble)
            return
        ui.notify(f"Alert saved: {self._draft().name}", type="positive")
        for box in (self._query, self._name, self._hours, self._webhook):
            box.set_value("")
        await self._made()

    def _saved(self) -> str:
        """Save what is written, and say why that was not possible; runs on a thread of its own."""
        try:
            self._book.add(self._draft(), self._caller.scope)
        except (AlertError, StoreError) as error:
            return told(error, self._caller)
        return ""

    def _draft(self) -> Draft:
        """Give what is written, or raise AlertError."""
        query, hours = _written(self._query), _written(self._hours)
        place = "" if self._place.value == EVERYWHERE else str(self._place.value)
        return Draft(
            name=_written(self._name) or query[:MAX_NAME],
            query=query,
            place=place,
            hours=hours or None,
            zone=self.zone_name if hours else "UTC",
            cooldown_s=int(self._cooldown.value or 0),
            webhook=_written(self._webhook) or None,
        )

    def _given(self) -> tuple[object, ...]:
        return self._query.value, self._place.value, self._hours.value, self._cooldown.value


def _text(label: str, longest: int, example: str, value: str = "") -> Input:
    box = ui.input(label, value=value, placeholder=example)
    return box.props(f'maxlength="{longest}" outlined dense debounce="400"')


def _written(box: Input) -> str:
    return (box.value or "").strip()
