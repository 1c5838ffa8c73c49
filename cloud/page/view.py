"""One visitor's page: what is chosen, and the round that keeps all of it in step with the store.

cameras | player
        | search, timeline  on a phone: cameras, player, timeline below each other
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, timezone

from nicegui import events, run, ui

from cloud.access.roles import Role
from cloud.api import Health
from cloud.catalog import CameraView, SegmentView, UnknownCameraError, UnknownSegmentError
from cloud.clock import wall_ms
from cloud.page import wording
from cloud.page.anchors import AnchorPanel
from cloud.page.cameras import CameraList
from cloud.page.choice import is_fresh, is_waiting, next_choice
from cloud.page.finder import Finder
from cloud.page.keeping import KeepButton
from cloud.page.nav import Nav
from cloud.page.player import Player
from cloud.page.sight import Sight
from cloud.page.timeline import Timeline
from cloud.page.trouble import UNWELL, told
from cloud.page.window import Window
from cloud.problems import ProblemError
from cloud.store import StoreError

ROUND_S = 1.0
_MOST_DIGITS = 10  # of a segment's number


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the store says at one moment; `segments` are those of the chosen camera, the newest first.

    `found` is what a search found, as it is now. `trouble` is what does not work, empty if all
    does; only if `readable` the rest means anything.
    """

    cameras: list[CameraView]
    segments: list[SegmentView]
    found: list[SegmentView]
    chosen: SegmentView | None
    trouble: str
    readable: bool


class View:
    """Built in the visitor's page; `begin` starts the rounds."""

    def __init__(self, nav: Nav, sight: Sight, health: Callable[[], Health], broker: str) -> None:
        self._sight = sight
        self._health = health
        self._tz: timezone = UTC
        self._camera: str | None = None
        self._chosen: int | None = None
        self._finished = False
        self._stays = False
        self._window = Window(sight)
        self._refusal = ""
        self._one_at_a_time = asyncio.Lock()
        self._build(nav, broker)

    def _build(self, nav: Nav, broker: str) -> None:
        with nav.header("/"):
            self._totals = ui.label().classes("totals")
            self._status = ui.label("connecting").classes("status")
        self._trouble = ui.label().classes("trouble").props('role="alert"')
        with ui.element("main").classes("main") as self._main:
            self._cameras = CameraList(self._choose_camera)
            with ui.element("div").classes("stage"):
                cancel = self._cancel if self._sight.may_cancel else None
                self._player = Player(self._on_ended, self._retry, cancel)
                self._onward = ui.button("Play on", on_click=self._play_on).props("outline no-caps")
                self._onward.classes("onward").set_visibility(False)
                KeepButton(self._sight, lambda: self._chosen)
                AnchorPanel(self._sight, lambda: self._camera)
            with ui.element("div").classes("history"):
                self._finder = Finder(
                    self._sight.find, self._choose_found, self._on_search, lambda: self._tz,
                    may_save=self._sight.caller.may(Role.OPERATOR),
                )  # fmt: skip
                with ui.element("div").classes("past") as self._past:
                    with ui.element("div").classes("timeline-head"):
                        ui.label("Timeline").classes("title")
                        self._later = ui.button("Show later", on_click=self._show_later)
                        self._later.props("flat dense no-caps").set_visibility(False)
                        self._live = ui.switch("Follow live", value=True, on_change=self._on_live)
                        self._live.props("dense")
                    self._timeline = Timeline(self._choose_segment, self._show_earlier)
        with ui.element("div").classes("empty") as self._empty:
            ui.html('<span class="logo large"></span>')
            ui.label("No camera has reported yet").classes("heading")
            where = f" at the broker {broker}" if self._sight.knows_inside else ""
            ui.label(f"Cameras appear here as soon as a device announces itself{where}.")
            if self._sight.knows_inside:
                ui.label("mirage edge run --config edge.toml").classes("command")

    async def begin(self, named: str = "") -> None:
        """Ask the browser for its time zone, then start the rounds, with the segment named, if one is."""
        with contextlib.suppress(TimeoutError):  # a slow one gets UTC
            offset = await ui.run_javascript("new Date().getTimezoneOffset()", timeout=5.0)
            self._tz = wording.zone(int(offset))
        if named:
            await self._open(named)
        await self.round()
        ui.timer(ROUND_S, self.round)

    async def _open(self, named: str) -> None:
        """Show the segment that the address names, or tell that there is none."""
        try:
            found = await run.io_bound(self._sight.segment, _number(named))
        except (UnknownSegmentError, StoreError) as error:
            ui.notify(told(error, self._sight.caller), type="warning")
            return
        if found is not None:  # None: the server is shutting down
            await self._choose_found(found)

    async def round(self) -> None:
        """Bring the page in step with the store."""
        async with self._one_at_a_time:
            now = await run.io_bound(self._look)
            if now is not None:  # None: the server is shutting down
                self._show_status(now)
                if now.readable:
                    streams = bool(self._live.value) and is_fresh(now.segments, wall_ms())
                    if streams:
                        self._chosen, self._finished = self._player.streamed or self._chosen, False
                    self._show(now, streams=streams)
                    if not streams:
                        await self._go_on(now)

    def _look(self) -> Snapshot:
        """Read the store; runs on a thread of its own."""
        sight, health = self._sight, self._health()
        try:
            cameras = sight.cameras()
            if self._camera is None and cameras:
                self._camera = max(cameras, key=lambda camera: camera.seen_ms).id
            segments = [] if self._camera is None else self._window.listed(self._camera)
            found = sight.these(self._finder.shown) if self._finder.shown else []
            chosen = None if self._chosen is None else sight.segment(self._chosen)
        except UnknownSegmentError as error:
            self._chosen = None  # removed meanwhile, or never this visitor's
            return Snapshot([], [], [], None, str(error), readable=False)
        except (StoreError, UnknownCameraError) as error:
            return Snapshot([], [], [], None, told(error, sight.caller), readable=False)
        trouble = "; ".join(health.troubles.values())
        if trouble and not sight.knows_inside:
            trouble = UNWELL
        trouble = trouble or self._refusal
        return Snapshot(cameras, segments, found, chosen, trouble, readable=True)

    def _ask(self, segment_id: int, *, patient: bool) -> None:
        """Have a segment rendered; runs on a thread of its own."""
        try:
            self._sight.ask(segment_id, patient=patient)
        except ProblemError as error:
            self._refusal = str(error)
        except (StoreError, UnknownSegmentError):  # the next round tells
            pass
        else:
            self._refusal = ""

    def _show_status(self, now: Snapshot) -> None:
        self._trouble.set_text(now.trouble)
        self._trouble.set_visibility(bool(now.trouble))
        good, bad = ("good", "bad") if not now.trouble else ("bad", "good")
        self._status.set_text("trouble" if now.trouble else "connected")
        self._status.classes(add=good, remove=bad)
        if now.readable:
            count = len(now.cameras)
            received = wording.bytes_text(sum(camera.bytes for camera in now.cameras))
            cameras = "1 camera" if count == 1 else f"{count} cameras"
            self._totals.set_text(f"{cameras} · {received} received" if count else "")

    def _show(self, now: Snapshot, *, streams: bool) -> None:
        self._empty.set_visibility(not now.cameras)
        self._main.set_visibility(bool(now.cameras))
        self._cameras.show(now.cameras, self._camera, wall_ms())
        self._timeline.show(now.segments, self._tz, has_more=len(now.segments) >= self._window.most)
        self._later.set_visibility(self._window.until_ms is not None)
        self._onward.set_visibility(self._stays and now.chosen is not None and not streams)
        self._finder.update(now.found)
        self._mark(self._chosen)
        camera = next((camera for camera in now.cameras if camera.id == self._camera), None)
        if streams and self._camera is not None:
            seen = next((segment for segment in now.segments if segment.id == self._chosen), now.chosen)
            self._player.show_live(self._camera, seen, camera, self._tz)
        elif now.chosen is not None:
            self._player.show(now.chosen, camera, self._tz)
        elif not now.segments:
            self._player.clear("This camera has sent nothing yet.")
        else:
            self._player.clear("Choose a segment, or follow live.")

    async def _go_on(self, now: Snapshot) -> None:
        """Choose what comes next, and have it and its successor rendered in time."""
        live = bool(self._live.value)
        given_up = live and now.chosen is not None and not self._player.playing and not is_waiting(now.chosen)
        ended = self._finished and (live or not self._stays)
        choice = next_choice(now.segments, self._chosen, live=live, finished=ended or given_up)
        if choice != self._chosen:
            self._chosen, self._finished = choice, False
            self._mark(choice)
        ids = [segment.id for segment in now.segments]
        if choice in ids:
            place = ids.index(choice)
            for segment in now.segments[place if self._stays else max(place - 1, 0) : place + 1]:
                if segment.render == "none" and segment.fault is None:
                    await run.io_bound(self._ask, segment.id, patient=live and segment.id == ids[0])
            if place == 0 and not self._stays:
                await self._move(self._window.slide)

    async def _choose_camera(self, camera_id: str) -> None:
        if camera_id != self._camera:
            self._camera, self._chosen, self._finished, self._stays = camera_id, None, False, False
            self._window.reset()
            self._player.clear("")
            self._live.set_value(True)
            await self.round()

    def _mark(self, chosen: int | None) -> None:
        self._timeline.mark(chosen)
        self._finder.mark(chosen)

    def _on_search(self, searches: bool) -> None:  # noqa: FBT001 -- a callback
        """Let what is found take the timeline's place."""
        self._past.set_visibility(not searches)

    async def _choose_found(self, segment: SegmentView) -> None:
        """Show what a link or a search led to: it alone is of interest until the visitor plays on."""
        self._camera = segment.camera
        with contextlib.suppress(StoreError, UnknownCameraError):  # the next round tells
            await run.io_bound(self._window.around, segment)
        await self._choose_segment(segment.id, stays=True)

    async def _choose_segment(self, segment_id: int, *, stays: bool = False) -> None:
        self._chosen, self._finished, self._stays = segment_id, False, stays
        self._live.set_value(False)
        self._player.rewind()
        await run.io_bound(self._ask, segment_id, patient=False)
        await self.round()

    def _on_live(self, event: "events.ValueChangeEventArguments[bool | None]") -> None:
        if event.value:
            self._window.reset()
            self._stays = False

    async def _play_on(self) -> None:
        self._stays = False
        await self._show_next()

    async def _show_earlier(self) -> None:
        self._window.earlier()
        await self.round()

    async def _show_later(self) -> None:
        await self._move(self._window.later)
        await self.round()

    async def _move(self, move: Callable[[str], None]) -> None:
        if self._camera is not None and self._window.until_ms is not None:
            with contextlib.suppress(StoreError, UnknownCameraError):  # the next round tells
                await run.io_bound(move, self._camera)

    async def _on_ended(self) -> None:
        self._finished = True
        await self._show_next()

    async def _show_next(self) -> None:
        await self.round()
        await self.round()  # the first chose the next segment, this one shows it

    async def _cancel(self) -> None:
        if self._chosen is not None:
            with contextlib.suppress(StoreError, UnknownSegmentError):  # the next round tells
                await run.io_bound(self._sight.cancel, self._chosen)
            await self.round()

    async def _retry(self) -> None:
        if self._chosen is not None:
            await run.io_bound(self._ask, self._chosen, patient=False)
            await self.round()


def _number(named: str) -> int:
    """Read a segment's number. Raises UnknownSegmentError."""
    if not (named.isascii() and named.isdecimal()) or len(named) > _MOST_DIGITS or int(named) >= 2**31:
        raise UnknownSegmentError(f"no segment {named[:_MOST_DIGITS]!r}")
    return int(named)
