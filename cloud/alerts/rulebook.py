"""The alerts of the store: written by people, held in memory by those who match captions.

add, change, remove --> alerts, and `alerts.version` counts on --> Rulebook.current: read again
"""

from collections.abc import Iterator
from dataclasses import asdict
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud import tallies
from cloud.alerts.hours import Hours
from cloud.alerts.matching import Matcher
from cloud.alerts.rules import Alert, AlertError, Draft, covers, parse_hours
from cloud.config_events import Alerts
from cloud.query import Query
from cloud.schema import AlertRow

MAX_ALERTS = 10_000
_VERSION = "alerts.version"


class UnknownAlertError(LookupError):
    """There is no such alert; the message names it."""


class _Rule(NamedTuple):
    alert: Alert
    hours: Hours | None


class Rulebook:
    """The active alerts, as they are in the transaction that asks. For one thread."""

    def __init__(self) -> None:
        self._version: int | None = None
        self._rules: list[_Rule] = []
        self._matcher = Matcher([])

    def read(self, session: Session) -> None:
        """Bring it up to date; costs one look-up where nothing has changed."""
        version = tallies.count(session, _VERSION)
        if version == self._version:
            return
        rows = session.scalars(select(AlertRow).where(AlertRow.active).order_by(AlertRow.id))
        alerts = [Alert.of(row) for row in rows]
        self._rules = [_Rule(alert, parse_hours(alert.hours, alert.zone)) for alert in alerts]
        self._matcher = Matcher([Query.parse(alert.query) for alert in alerts])
        self._version = version

    def match(self, caption: str, camera: str, start_ms: int) -> Iterator[Alert]:
        """Give the alerts that look for what a camera, tenant/site/device/camera, has seen then."""
        for place in self._matcher.match(caption):
            alert, hours = self._rules[place]
            if covers(alert.place, camera) and (hours is None or hours.hold(start_ms)):
                yield alert


def listed(session: Session) -> list[Alert]:
    """List all alerts by name."""
    return [Alert.of(row) for row in session.scalars(select(AlertRow).order_by(AlertRow.name, AlertRow.id))]


def find(session: Session, alert_id: int) -> Alert:
    """Give an alert, or raise UnknownAlertError."""
    return Alert.of(_row(session, alert_id))


def add(session: Session, draft: Draft, settings: Alerts, now_ms: int) -> Alert:
    """Store a new alert. Raises AlertError where its name is taken, or its webhook not allowed."""
    _check_name(session, draft.name, but=0)
    _check_webhook(draft.webhook, settings)
    if len(session.scalars(select(AlertRow.id).limit(MAX_ALERTS)).all()) >= MAX_ALERTS:
        raise AlertError(f"there are {MAX_ALERTS} alerts already: remove one first")
    row = AlertRow(**asdict(draft), webhook_error=None, created_ms=now_ms, changed_ms=now_ms)
    session.add(row)
    session.flush()
    tallies.add(session, _VERSION)
    return Alert.of(row)


def change(session: Session, alert_id: int, draft: Draft, settings: Alerts, now_ms: int) -> Alert:
    """Store an alert as it is to be from now on. Raises UnknownAlertError, AlertError."""
    row = _row(session, alert_id)
    _check_name(session, draft.name, but=alert_id)
    if draft.webhook != row.webhook:
        _check_webhook(draft.webhook, settings)
        row.webhook_error = None
    for name, value in asdict(draft).items():
        setattr(row, name, value)
    row.changed_ms = now_ms
    session.flush()
    tallies.add(session, _VERSION)
    return Alert.of(row)


def remove(session: Session, alert_id: int) -> None:
    """Remove an alert, and with it what it found. Raises UnknownAlertError."""
    session.delete(_row(session, alert_id))
    session.flush()
    tallies.add(session, _VERSION)


def _row(session: Session, alert_id: int) -> AlertRow:
    row = session.get(AlertRow, alert_id)
    if row is None:
        raise UnknownAlertError(f"no alert {alert_id}")
    return row


def _check_name(session: Session, name: str, *, but: int) -> None:
    same = select(AlertRow.id).where(AlertRow.name == name, AlertRow.id != but)
    if session.scalar(same.limit(1)) is not None:
        raise AlertError(f"name {name!r} is taken by another alert")


def _check_webhook(webhook: str | None, settings: Alerts) -> None:
    if webhook is not None and not settings.allows(webhook):
        raise AlertError(f"webhook {webhook!r} is not below any of alerts.webhooks in the cloud's settings")
