"""`mirage cloud alerts`: what is looked for, and what was found."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rich.table import Table

from cloud.access.roles import OWNER
from cloud.alerts.book import Book, Overview
from cloud.alerts.history import Trial
from cloud.alerts.hits import AlertHit
from cloud.alerts.rules import Draft
from cloud.config import load
from cloud.store import Store
from mirage.errors import InputError
from mirage.output import as_json, print_line, print_tables, time_text


def list_alerts(config: Path, *, json: bool) -> None:
    """List all by name."""
    with _book(config) as book:
        overview = book.overview(role=OWNER.role)
    if json:
        print_line(as_json({"alerts": overview.alerts, "day": overview.day}))
    elif overview.alerts:
        print_tables(_table(overview))
    else:
        print_line("no alerts yet: mirage cloud alerts add NAME QUERY --config FILE.toml")


def add(config: Path, wanted: Draft, *, trial: bool, json: bool) -> None:
    """Add an alert, or only try it. Raises AlertError."""
    with _book(config) as book:
        if trial:
            found = book.tried(wanted, role=OWNER.role)
            print_line(as_json(found) if json else _trial_text(found))
            return
        alert = book.add(wanted)
    print_line(as_json(alert) if json else f"alert {alert.id} added: {alert.name}")


def remove(config: Path, alert_id: int) -> None:
    """Remove an alert. Raises UnknownAlertError."""
    with _book(config) as book:
        alert = book.find(alert_id)
        book.remove(alert_id)
    print_line(f"alert {alert.id} removed: {alert.name}")


def switch(config: Path, alert_id: int, state: str) -> None:
    """Switch an alert on or off. Raises UnknownAlertError, InputError."""
    if state not in ("on", "off"):
        raise InputError(f"state {state!r} is neither on nor off")
    with _book(config) as book:
        book.change(alert_id, replace(book.find(alert_id).draft, active=state == "on"))
    print_line(f"alert {alert_id} is {state}")


def hits(config: Path, alert_id: int | None, limit: int, cursor: str | None, *, json: bool) -> None:
    """List what was found. Raises UnknownAlertError, CursorError."""
    with _book(config) as book:
        page = book.hits(limit, alert_id, cursor, role=OWNER.role)
        names = {alert.id: alert.name for alert in book.overview(role=OWNER.role).alerts}
    if json:
        print_line(as_json(page))
        return
    if not page.results:
        print_line("nothing found yet")
        return
    print_tables(_hits_table(page.results, names))
    if page.cursor is not None:
        print_line(f"more with --cursor {page.cursor}")


def _table(overview: Overview) -> Table:
    table = Table("id", "name", "query", "where", "when", "state", "last day", "webhook")
    for alert in overview.alerts:
        day = overview.day.get(alert.id)
        when = "always" if alert.hours is None else f"{alert.hours} {alert.zone}"
        table.add_row(
            str(alert.id), alert.name, alert.query, alert.place or "everywhere", when,
            "on" if alert.active else "off", str(day.hits if day else 0),
            alert.webhook_error or ("yes" if alert.webhook else ""),
        )  # fmt: skip
    return table


def _hits_table(found: Sequence[AlertHit], names: dict[int, str]) -> Table:
    table = Table("seen", "camera", "alert", "caption", "segment", "clip")
    for hit in found:
        table.add_row(
            time_text(hit.segment.start_ms), hit.segment.camera, names.get(hit.alert, str(hit.alert)),
            hit.caption, str(hit.segment.id), hit.segment.render,
        )  # fmt: skip
    return table


def _trial_text(found: Trial) -> str:
    least = "at least " if found.more else ""
    told = f"in the last day, {least}{found.matched} captions match, and {least}{found.raised} would be hits"
    return "; ".join([told, *(f"{each.camera}: {each.caption}" for each in found.examples)])


@contextmanager
def _book(config: Path) -> Iterator[Book]:
    settings = load(config)
    store = Store(settings.store.url)
    try:
        yield Book(store, settings.alerts)
    finally:
        store.close()
