"""What is newly said of segments is told, and held against the alerts.

    news --> described              (cloud.events)
      '--match, not quiet--> hit, once for a packet and an alert
                               |--> raised: event, webhook
                               '--> job in the lane EVENT: its clip is ready first; not for what is long past

All of it is part of the transaction that stores the segments: whatever is told is true, and told once.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from cloud import jobs, tallies
from cloud.alerts.rulebook import Rulebook
from cloud.alerts.rules import Alert
from cloud.alerts.webhooks import DROPPED
from cloud.events.herald import Herald, News
from cloud.events.names import Names
from cloud.lanes import Lane
from cloud.look import LookOf, one_look
from cloud.registry import table_of
from cloud.schema import AlertHitRow, WebhookCallRow

MAX_CALLS = 1000  # of one alert, that wait

_HITS, _CALLS = table_of(AlertHitRow), table_of(WebhookCallRow)


class Watch:
    """For one thread."""

    def __init__(self, herald: Herald, look: LookOf = one_look) -> None:
        self._herald = herald
        self._look = look
        self._rules = Rulebook()
        self._names = Names()

    def see(self, session: Session, news: Sequence[News], now_ms: int) -> None:
        """Take note of what is newly said, in the order in which it was seen."""
        in_order = sorted(news, key=lambda each: (each.start_ms, each.packet_id))
        self._herald.described(session, in_order, now_ms)
        self._rules.read(session)
        for each in in_order:
            if each.caption is not None:
                self._match(session, each, each.caption, now_ms)

    def _match(self, session: Session, news: News, caption: str, now_ms: int) -> None:
        camera = self._names.camera(session, news.camera_id)
        alerts = {alert.id: alert for alert in self._rules.match(caption, camera, news.start_ms)}
        loud = alerts.keys() - _quiet(session, alerts.values(), news) if alerts else set[int]()
        if not loud:
            return
        late = self._herald.is_late(news, now_ms)
        raised = [alerts[found] for found in sorted(_hit(session, loud, news, caption, now_ms, late=late))]
        for alert, event in self._herald.raised(session, raised, news, now_ms):
            if alert.webhook is not None:
                _call(session, alert.id, event, now_ms)
        if raised and not late:
            patience_ms = 0 if news.historical else jobs.NEXT_SEGMENT_PATIENCE_MS
            not_before_ms = news.received_ms + patience_ms
            look = self._look(session, news.camera_id)
            jobs.enqueue(
                session, news.packet_id, now_ms, lane=Lane.EVENT, not_before_ms=not_before_ms, look=look
            )


def _call(session: Session, alert_id: int, event: bytes, now_ms: int) -> None:
    """Have a webhook called; where far too many calls of its alert wait already, this one is dropped."""
    waiting = select(_CALLS.c.id).where(_CALLS.c.alert_id == alert_id).limit(MAX_CALLS)
    if len(session.connection().execute(waiting).all()) == MAX_CALLS:
        tallies.add(session, DROPPED)
        return
    call = {"alert_id": alert_id, "event": event, "attempts": 0, "due_ms": now_ms, "created_ms": now_ms}
    session.connection().execute(insert(_CALLS), [call])


def _quiet(session: Session, alerts: Iterable[Alert], news: News) -> set[int]:
    """Name the alerts that the camera has raised too short a time before, or, seen late, after."""
    by_cooldown = defaultdict[int, list[int]](list)
    for alert in alerts:
        by_cooldown[alert.cooldown_s * 1000].append(alert.id)
    quiet = set[int]()
    for cooldown_ms, ids in by_cooldown.items():
        near = select(_HITS.c.alert_id).where(
            _HITS.c.alert_id.in_(ids), _HITS.c.camera_id == news.camera_id,
            _HITS.c.start_ms > news.start_ms - cooldown_ms, _HITS.c.start_ms < news.start_ms + cooldown_ms,
        )  # fmt: skip
        quiet.update(session.connection().scalars(near.distinct()))
    return quiet


def _hit(
    session: Session, alerts: Iterable[int], news: News, caption: str, now_ms: int, *, late: bool
) -> set[int]:
    """Note hits, and give those that were not noted before."""
    seen = {
        "packet_id": news.packet_id, "camera_id": news.camera_id, "caption": caption,
        "historical": news.historical or late, "start_ms": news.start_ms, "raised_ms": now_ms,
    }  # fmt: skip
    connection = session.connection()
    before = set(connection.scalars(select(_HITS.c.alert_id).where(_HITS.c.packet_id == news.packet_id)))
    new = set(alerts) - before
    if new:
        connection.execute(insert(_HITS), [seen | {"alert_id": alert_id} for alert_id in sorted(new)])
    return new
