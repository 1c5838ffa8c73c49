"""The page of the queue: how deep it is, who works on what, what failed for good, and another try of it.

tiles: waiting, running, the last hour, failed, left out
lanes by state | running | waiting | failed for good, cancelled         on a phone: below each other
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from nicegui import run, ui
from nicegui.elements.button import Button
from nicegui.elements.html import Html

from cloud.access.declare import caller_of, requires
from cloud.access.roles import Caller, Role
from cloud.jobs import JobError, State
from cloud.page import jobs_markup
from cloud.page.nav import ICON, Nav
from cloud.page.trouble import told
from cloud.queue import Entry, Overview, Queue
from cloud.store import StoreError

ROUND_S = 2.0
MOST = 30  # jobs in each list


@dataclass(frozen=True, slots=True)
class _Look:
    """The queue at one moment, or why it cannot be seen."""

    overview: Overview | None
    lists: Sequence[list[Entry]]
    trouble: str = ""


class JobList:
    """Jobs in some states, each with a button for whoever may press it.

    A row stays the same element for as long as its job is shown, so that it keeps the keyboard's focus.
    """

    def __init__(
        self, title: str, states: tuple[State, ...], verb: str | None, act: Callable[[str], Awaitable[None]]
    ) -> None:
        self.states = states
        self._verb = verb
        self._act = act
        self._rows: dict[str, tuple[ui.element, Html]] = {}
        self._content: dict[str, str] = {}
        with ui.element("section").classes("job-panel").props(f'aria-label="{title}"'):
            ui.label(title).classes("title")
            self._none = ui.label("None.").classes("job-none")
            self._list = ui.element("ul").classes("job-list")

    def show(self, entries: Sequence[Entry]) -> None:
        """Show these, in this order."""
        known = {entry.job.id for entry in entries}
        for job_id in [job_id for job_id in self._rows if job_id not in known]:
            self._rows.pop(job_id)[0].delete()
            del self._content[job_id]
        for place, entry in enumerate(entries):
            self._show(place, entry)
        self._none.set_visibility(not entries)

    def _show(self, place: int, entry: Entry) -> None:
        job_id, content = entry.job.id, jobs_markup.line(entry)
        if job_id not in self._rows:
            with self._list, ui.element("li").classes("job-row") as row:
                text = ui.html(content).classes("job-text")
                if self._verb is not None:
                    self._button(entry, self._verb)
            row.move(target_index=place)
            self._rows[job_id] = (row, text)
        elif self._content[job_id] != content:
            self._rows[job_id][1].set_content(content)
        self._content[job_id] = content

    def _button(self, entry: Entry, verb: str) -> Button:
        job_id = entry.job.id
        button = ui.button(verb, on_click=lambda: self._act(job_id)).props("flat dense no-caps")
        return button.classes("job-act").props(f'aria-label="{verb} job {job_id}"')


class JobsView:
    """One visitor's page; rounds keep it in step with the store."""

    def __init__(self, nav: Nav, queue: Queue, caller: Caller) -> None:
        self._queue = queue
        self._caller = caller
        self._one_at_a_time = asyncio.Lock()
        with nav.header("/jobs", "jobs.css"):
            self._status = ui.label("connecting").classes("status totals")
        self._trouble = ui.label().classes("trouble").props('role="alert"')
        self._trouble.set_visibility(False)
        with ui.element("main").classes("jobs"):
            self._tiles = ui.html("").classes("job-tiles").props('role="status"')
            self._lanes = ui.html("").classes("job-panel job-counts")
            cancel, retry = ("Cancel", "Retry") if caller.may(Role.OPERATOR) else (None, None)
            with ui.element("div").classes("job-panels"):
                self._lists = (
                    JobList("Running", ("running",), cancel, self._cancel),
                    JobList("Waiting", ("queued",), cancel, self._cancel),
                    JobList("Failed for good", ("dead",), retry, self._retry),
                    JobList("Cancelled or too late", ("cancelled", "late"), retry, self._retry),
                )

    async def round(self) -> None:
        """Bring the page in step with the store."""
        async with self._one_at_a_time:
            now = await run.io_bound(self._look)
            if now is not None:  # None: the server is shutting down
                self._show(now)

    def _look(self) -> _Look:
        """Read the store; runs on a thread of its own."""
        scope, role = self._caller.scope, self._caller.role
        try:
            lists = [
                self._queue.listed(each.states, limit=MOST, scope=scope, role=role) for each in self._lists
            ]
            return _Look(self._queue.overview(scope), lists)
        except StoreError as error:
            return _Look(None, (), told(error, self._caller))

    def _show(self, now: _Look) -> None:
        self._trouble.set_text(now.trouble)
        self._trouble.set_visibility(bool(now.trouble))
        good, bad = ("good", "bad") if not now.trouble else ("bad", "good")
        self._status.set_text("trouble" if now.trouble else "connected")
        self._status.classes(add=good, remove=bad)
        if now.overview is not None:
            self._tiles.set_content(jobs_markup.tiles(now.overview))
            self._lanes.set_content(jobs_markup.lanes(now.overview))
            for shown, entries in zip(self._lists, now.lists, strict=True):
                shown.show(entries)

    async def _retry(self, job_id: str) -> None:
        await self._change(self._queue.retry, job_id)

    async def _cancel(self, job_id: str) -> None:
        await self._change(self._queue.cancel, job_id)

    async def _change(self, change: Callable[[str], Entry], job_id: str) -> None:
        trouble = await run.io_bound(self._changed, change, job_id)
        if trouble:
            ui.notify(trouble, type="warning")
        await self.round()

    def _changed(self, change: Callable[[str], Entry], job_id: str) -> str:
        """Change a job that the visitor may change; say why that was not possible."""
        try:
            found = self._queue.find(job_id, self._caller.role)
            if not self._caller.may(Role.OPERATOR) or not self._caller.sees(found.camera):
                return f"job {job_id}: is not there"
            change(job_id)
        except (JobError, StoreError) as error:
            return told(error, self._caller)
        return ""


def mount_jobs(nav: Nav, queue: Queue) -> None:
    """Serve the page at /jobs."""
    nav.add("/jobs")

    @ui.page("/jobs", title="Jobs · Mirage", favicon=ICON, dark=True, dependencies=[requires(Role.VIEWER)])
    def page() -> None:
        view = JobsView(nav, queue, caller_of(ui.context.client.request))
        ui.timer(ROUND_S, view.round)
        ui.timer(0.05, view.round, once=True)
