"""Posts what alerts found to their webhooks: the same CloudEvent that is published, as it is written.

    webhook_calls --claim: not due for a while--> POST --2xx--> sent
         ^---- later: 10 s, 1 min, 6 min, 30 min ---'-- five times in vain: dropped, and counted

Only to URLs that the settings allow, also when they allowed another one when it was written; signed, if
there is a secret. Where nobody answers, or slowly, all that waits for the same server rests, so that calls to
others are not held up by more than one of it. A call may come twice, under the same id.
"""

import threading
from typing import NamedTuple
from urllib.parse import urlsplit

import structlog
from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from cloud import tallies
from cloud.config_events import Alerts
from cloud.leases import SessionClock, database_ms
from cloud.posting import UnreachableError, WebhookError, post
from cloud.registry import table_of
from cloud.schema import AlertRow, WebhookCallRow
from cloud.signatures import UNSIGNED, Signers
from cloud.store import Store, StoreError

SENT, DROPPED = "webhooks.sent", "webhooks.dropped"  # tallies
MAX_ATTEMPTS = 5
_PAUSES_MS = (10_000, 60_000, 360_000, 1_800_000)
_CLAIM_MS = 60_000  # longer than a call takes
_POLL_S = 0.5
_REST_S = 2.0
UNREACHED_MS = 10_000  # for so long, a server that did not answer is left alone
SLOW_MS = 1000  # a server that took longer is left alone for as long again: half of the time is for others

_ALERTS, _CALLS = table_of(AlertRow), table_of(WebhookCallRow)

log = structlog.get_logger()


class _Call(NamedTuple):
    id: int
    alert_id: int
    url: str | None
    event: bytes
    attempt: int
    at_ms: int


class Webhooks:
    """Runs on one thread, or several; as many processes as there are."""

    def __init__(
        self,
        store: Store,
        settings: Alerts,
        clock: SessionClock = database_ms,
        signers: Signers = UNSIGNED,
    ) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._signers = signers

    def run(self, stop: threading.Event) -> None:
        """Post until `stop`."""
        while not stop.is_set():
            stop.wait(self._pause_s())

    def _pause_s(self) -> float:
        """Work, and give how long to wait then."""
        try:
            return 0.0 if self.work() else _POLL_S
        except StoreError as error:
            log.warning("cannot read webhook calls, trying again", error=str(error))
            return _REST_S

    def work(self) -> bool:
        """Post what is due next; False if nothing is. Raises StoreError."""
        call = self._claim()
        if call is None:
            return False
        trouble = self._trouble(call)
        if trouble is not None:
            log.warning("webhook failed", alert=call.alert_id, attempt=call.attempt, error=str(trouble))
        with self._store.write() as session:
            self._close(session, call, trouble)
        return True

    def _trouble(self, call: _Call) -> WebhookError | None:
        """Post, and say why that failed, if it did."""
        if call.url is None or not self._settings.allows(call.url):
            return WebhookError("is not below any of alerts.webhooks in the cloud's settings")
        try:
            post(call.url, call.event, self._signers.of(call.url).headers(call.event, call.at_ms))
        except WebhookError as error:
            return error
        return None

    def _claim(self) -> _Call | None:
        """Take a call, and let it be due again only after a while: then its process has died."""
        with self._store.read() as session:
            due = _CALLS.c.due_ms <= self._clock(session)
            if session.connection().execute(select(_CALLS.c.id).where(due).limit(1)).first() is None:
                return None
        with self._store.write() as session:
            now_ms = self._clock(session)
            columns = (_CALLS.c.id, _CALLS.c.alert_id, _ALERTS.c.webhook, _CALLS.c.event, _CALLS.c.attempts)
            query = select(*columns).join(_ALERTS, _ALERTS.c.id == _CALLS.c.alert_id)
            query = query.where(_CALLS.c.due_ms <= now_ms).order_by(_CALLS.c.due_ms, _CALLS.c.id).limit(1)
            row = session.connection().execute(query.with_for_update(of=_CALLS, skip_locked=True)).first()
            if row is None:
                return None
            later = update(_CALLS).where(_CALLS.c.id == row[0])
            session.connection().execute(
                later.values(due_ms=now_ms + _CLAIM_MS, attempts=_CALLS.c.attempts + 1)
            )
        return _Call(row[0], row[1], row[2], row[3], row[4] + 1, now_ms)

    def _close(self, session: Session, call: _Call, trouble: WebhookError | None) -> None:
        connection, this = session.connection(), _CALLS.c.id == call.id
        told = update(_ALERTS).where(_ALERTS.c.id == call.alert_id, _ALERTS.c.webhook == call.url)
        connection.execute(told.values(webhook_error=None if trouble is None else str(trouble)))
        took_ms = self._clock(session) - call.at_ms
        rest_ms = UNREACHED_MS if isinstance(trouble, UnreachableError) else min(took_ms, UNREACHED_MS)
        if rest_ms > SLOW_MS and call.url is not None:
            self._rest(session, call.url, rest_ms)
        if trouble is not None and call.attempt < MAX_ATTEMPTS:
            due_ms = self._clock(session) + _PAUSES_MS[call.attempt - 1]
            connection.execute(update(_CALLS).where(this).values(due_ms=due_ms))
        else:
            connection.execute(delete(_CALLS).where(this))
            tallies.add(session, SENT if trouble is None else DROPPED)

    def _rest(self, session: Session, url: str, rest_ms: int) -> None:
        """Leave a server alone for a while, whichever alerts call it; that is no attempt."""
        parts = urlsplit(url)
        server = f"{parts.scheme}://{parts.netloc}".lower()
        named = func.lower(_ALERTS.c.webhook)
        below = (named.startswith(f"{server}{end}", autoescape=True) for end in "/?")
        there = select(_ALERTS.c.id).where(or_(named == server, *below))
        soon_ms = self._clock(session) + rest_ms
        waiting = update(_CALLS).where(_CALLS.c.alert_id.in_(there), _CALLS.c.due_ms < soon_ms)
        session.connection().execute(waiting.values(due_ms=soon_ms))
