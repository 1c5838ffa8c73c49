"""Who hears of budgets and of what stands out: subscribers by the outbox of events, a webhook by its own.

tell, in the transaction that makes it true --> outbox (cloud/events) --> MQTT, where [events] is on
                                            '-> usage_calls --Caller--> POST, where [usage] has a webhook
"""

import hashlib

import structlog
from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from cloud import tallies
from cloud.alerts.webhooks import MAX_ATTEMPTS
from cloud.clock import Clock, wall_ms
from cloud.config_usage import UsageSettings
from cloud.posting import WebhookError, post
from cloud.registry import insert_missing, table_of
from cloud.schema import OutboxRow, UsageCallRow
from cloud.signatures import UNSIGNED, Signers
from cloud.store import Store
from wire import events, notices
from wire.events import BudgetReached, Notice, UsageUnusual, time_text
from wire.notices import BudgetFacts, UnusualFacts

SENT, DROPPED = "usage-calls.sent", "usage-calls.dropped"  # tallies
PAUSES_MS = (10_000, 60_000, 360_000, 1_800_000)
_CLAIM_MS = 60_000  # longer than a call takes
ROUND_MS = 20_000  # of calls, one after another: the rest of the duty waits meanwhile

_CALLS = table_of(UsageCallRow)

log = structlog.get_logger()


class Telling:
    """Queues notices for all who are to hear of them."""

    def __init__(self, settings: UsageSettings, *, events: bool) -> None:
        """Tell subscribers only if events are published at all: nobody would empty the outbox."""
        self._settings = settings
        self._events = events

    def reached(self, session: Session, facts: BudgetFacts, now_ms: int) -> None:
        """Tell that a budget reached a mark."""
        log.warning(
            "budget reached", place=facts.place or "whole fleet", percent=facts.percent, used=facts.used
        )
        key = f"budget {facts.place} {facts.from_ms} {facts.percent}"
        event = BudgetReached(id=_id(key), source=_source(facts.place), time=time_text(now_ms), data=facts)
        self._put(session, facts.place, event, now_ms)

    def unusual(self, session: Session, facts: UnusualFacts, now_ms: int) -> None:
        """Tell that a device stands out."""
        log.warning("device sends more than usual", device=facts.place, bytes=facts.bytes, most=facts.most)
        key = f"unusual {facts.place} {facts.hour_ms}"
        event = UsageUnusual(id=_id(key), source=_source(facts.place), time=time_text(now_ms), data=facts)
        self._put(session, facts.place, event, now_ms)

    def _put(self, session: Session, place: str, event: Notice, now_ms: int) -> None:
        body, topic = events.encode(event), notices.topic_of(place)
        if self._events and topic is not None:
            row: dict[str, str | int | bytes] = {
                "event_id": event.id, "topic": topic, "historical": False, "event": body,
                "created_ms": now_ms,
            }  # fmt: skip
            insert_missing(session, OutboxRow, [row])
        if self._settings.webhook:
            call = {"event": body, "attempts": 0, "due_ms": now_ms}
            session.connection().execute(insert(_CALLS), [call])


class Caller:
    """Posts what waits for the webhook, signed. A call may come twice, under the same event id."""

    def __init__(
        self, store: Store, settings: UsageSettings, signers: Signers = UNSIGNED, clock: Clock = wall_ms
    ) -> None:
        self._store = store
        self._url = settings.webhook
        self._signers = signers
        self._clock = clock

    def work(self, now_ms: int) -> int:
        """Post what is due, for as long as a round takes, and tell how many calls that were.

        Raises StoreError.
        """
        done, end_ms = 0, self._clock() + ROUND_MS
        while self._clock() < end_ms and (call := self._claim(now_ms)) is not None:
            trouble = self._trouble(call.event)
            with self._store.write() as session:
                self._close(session, call.id, call.attempts + 1, trouble, now_ms)
            done += 1
        return done

    def _claim(self, now_ms: int) -> UsageCallRow | None:
        due = select(UsageCallRow).where(UsageCallRow.due_ms <= now_ms).order_by(UsageCallRow.id).limit(1)
        with self._store.read() as session:
            if session.scalar(due) is None:
                return None
        with self._store.write() as session:
            call = session.scalar(due.with_for_update(skip_locked=True))
            if call is not None:
                later = update(_CALLS).where(_CALLS.c.id == call.id)
                session.connection().execute(later.values(due_ms=now_ms + _CLAIM_MS))
                session.expunge(call)
        return call

    def _trouble(self, event: bytes) -> str | None:
        """Post, and say why that failed, if it did."""
        if not self._url:
            return "[usage] has no webhook any more"
        try:
            post(self._url, event, self._signers.of(self._url).headers(event, self._clock()))
        except WebhookError as error:
            return str(error)
        return None

    def _close(self, session: Session, call_id: int, attempt: int, trouble: str | None, now_ms: int) -> None:
        connection, this = session.connection(), _CALLS.c.id == call_id
        if trouble is not None and attempt < MAX_ATTEMPTS:
            log.warning("usage.webhook failed, trying again", attempt=attempt, error=trouble)
            again = {"attempts": attempt, "due_ms": now_ms + PAUSES_MS[attempt - 1]}
            connection.execute(update(_CALLS).where(this).values(**again))
            return
        connection.execute(delete(_CALLS).where(this))
        tallies.add(session, SENT if trouble is None else DROPPED)


def _id(told: str) -> str:
    """Name an event for ever by what it tells."""
    return hashlib.sha256(told.encode()).hexdigest()[:32]


def _source(place: str) -> str:
    return f"/mirage/v1/{place}" if place else "/mirage/v1"
