"""Events on their way to the broker, kept in the store until it has acknowledged them.

    put, in the transaction that makes it true --> waiting --> sent
                                                      '--> trim: dropped, and counted

The newest news go first: what is historical waits until there is nothing else. An event that waits already is
not put again.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import ColumnElement, delete, func, or_, select
from sqlalchemy.orm import Session

from cloud import tallies
from cloud.registry import Columns, insert_missing, table_of
from cloud.schema import OutboxRow
from wire import events
from wire.events import Event

PUBLISHED, DROPPED = "events.published", "events.dropped"  # tallies

_OUTBOX = table_of(OutboxRow)


class Entry(NamedTuple):
    """An event of a camera, tenant/site/device/camera; `historical` ones are no news."""

    camera: str
    event: Event
    historical: bool


class Letter(NamedTuple):
    """An event as it is published."""

    id: int
    topic: str
    event: bytes


@dataclass(frozen=True, slots=True)
class Counts:
    """How many events wait, and how many were published and dropped since ever."""

    waiting: int
    published: int
    dropped: int


def put(session: Session, entries: Sequence[Entry], now_ms: int) -> None:
    """Queue events. Raises EventError for one that nobody could read."""
    rows: list[Columns] = [
        {
            "event_id": event.id, "topic": events.topic_of(camera), "historical": historical,
            "event": events.encode(event), "created_ms": now_ms,
        }
        for camera, event, historical in entries
    ]  # fmt: skip
    if rows:
        insert_missing(session, OutboxRow, rows)


def take(session: Session, most: int) -> list[Letter]:
    """Give what is to be published next; it stays until it is `sent`."""
    columns = (_OUTBOX.c.id, _OUTBOX.c.topic, _OUTBOX.c.event)
    query = select(*columns).order_by(_OUTBOX.c.historical, _OUTBOX.c.id).limit(most)
    return [Letter(*row) for row in session.connection().execute(query)]


def sent(session: Session, ids: Collection[int]) -> None:
    """Forget what the broker has acknowledged."""
    session.connection().execute(delete(_OUTBOX).where(_OUTBOX.c.id.in_(ids)))
    tallies.add(session, PUBLISHED, len(ids))


def is_beyond(session: Session, now_ms: int, keep_ms: int, most: int) -> bool:
    """Tell whether `trim` has something to do; takes no lock."""
    found = select(_OUTBOX.c.id).where(_beyond(session, now_ms, keep_ms, most)).limit(1)
    return session.connection().execute(found).first() is not None


def trim(session: Session, now_ms: int, keep_ms: int, most: int) -> int:
    """Drop what has waited longer than `keep_ms`, and the oldest beyond `most`; give how many."""
    dropping = delete(_OUTBOX).where(_beyond(session, now_ms, keep_ms, most))
    dropped = session.connection().execute(dropping).rowcount
    if dropped:
        tallies.add(session, DROPPED, dropped)
    return dropped


def _beyond(session: Session, now_ms: int, keep_ms: int, most: int) -> ColumnElement[bool]:
    newest = select(_OUTBOX.c.id).order_by(_OUTBOX.c.id.desc())
    last = session.connection().scalar(newest.offset(most).limit(1))
    old = _OUTBOX.c.created_ms < now_ms - keep_ms
    return old if last is None else or_(old, _OUTBOX.c.id <= last)


def counts(session: Session) -> Counts:
    """Count events."""
    waiting = session.scalar(select(func.count()).select_from(_OUTBOX)) or 0
    return Counts(waiting, tallies.count(session, PUBLISHED), tallies.count(session, DROPPED))
