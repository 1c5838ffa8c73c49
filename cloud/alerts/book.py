"""Alerts as API, page and command line use them: each asks in a transaction of its own.

A scope (`cloud.access`) sees the alerts of places inside of it, and nothing of those that look further.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cloud.access.roles import EVERYWHERE, Role, Scope
from cloud.alerts import history, hits, rulebook
from cloud.alerts.history import DAY_MS, Trial
from cloud.alerts.hits import Activity, HitPage
from cloud.alerts.rulebook import UnknownAlertError
from cloud.alerts.rules import Alert, AlertError, Draft
from cloud.catalog import Catalog
from cloud.clock import Clock, wall_ms
from cloud.config_events import Alerts
from cloud.look import ONE_LOOK, Looks
from cloud.search import Search
from cloud.store import Store


@dataclass(frozen=True, slots=True)
class Overview:
    """All alerts, and what they found in the last day, by id."""

    alerts: Sequence[Alert]
    day: Mapping[int, Activity]


class Book:
    """Safe to share between threads. Raises StoreError if the database does not answer."""

    def __init__(
        self, store: Store, settings: Alerts, clock: Clock = wall_ms, looks: Looks = ONE_LOOK
    ) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._catalog = Catalog(store, looks)
        self._search = Search(store, looks)

    @property
    def has_webhooks(self) -> bool:
        """Say whether alerts may have webhooks at all."""
        return bool(self._settings.webhooks)

    def overview(self, scope: Scope = EVERYWHERE, role: Role = Role.VIEWER) -> Overview:
        """List alerts by name."""
        with self._store.read() as session:
            alerts = [each for each in rulebook.listed(session) if scope.covers(each.place)]
            return Overview(alerts, hits.activity(session, self._clock() - DAY_MS, role))

    def find(self, alert_id: int, scope: Scope = EVERYWHERE) -> Alert:
        """Give one, or raise UnknownAlertError."""
        with self._store.read() as session:
            found = rulebook.find(session, alert_id)
        if not scope.covers(found.place):
            raise UnknownAlertError(f"no alert {alert_id}")
        return found

    def add(self, draft: Draft, scope: Scope = EVERYWHERE) -> Alert:
        """Make one. Raises AlertError."""
        _check(draft, scope)
        with self._store.write() as session:
            return rulebook.add(session, draft, self._settings, self._clock())

    def change(self, alert_id: int, draft: Draft, scope: Scope = EVERYWHERE) -> Alert:
        """Have one be otherwise from now on. Raises UnknownAlertError, AlertError."""
        self.find(alert_id, scope)
        _check(draft, scope)
        with self._store.write() as session:
            return rulebook.change(session, alert_id, draft, self._settings, self._clock())

    def remove(self, alert_id: int, scope: Scope = EVERYWHERE) -> None:
        """Remove one, and what it found. Raises UnknownAlertError."""
        self.find(alert_id, scope)
        with self._store.write() as session:
            rulebook.remove(session, alert_id)

    def hits(
        self,
        limit: int,
        alert_id: int | None = None,
        cursor: str | None = None,
        scope: Scope = EVERYWHERE,
        role: Role = Role.VIEWER,
    ) -> HitPage:
        """Give what one alert found, or all. Raises UnknownAlertError, CursorError."""
        alerts: list[int] | None = None
        if alert_id is not None:
            alerts = [self.find(alert_id, scope).id]
        elif not scope.is_everything:
            alerts = [alert.id for alert in self.overview(scope).alerts]
        return hits.page(self._store, self._catalog, alerts, limit, cursor, role)

    def tried(
        self, draft: Draft, past_ms: int = DAY_MS, scope: Scope = EVERYWHERE, role: Role = Role.VIEWER
    ) -> Trial:
        """Tell what an alert would have found lately. Raises AlertError."""
        _check(draft, scope)
        now_ms = self._clock()
        return history.tried(self._store, self._search, draft, now_ms - past_ms, now_ms, role, self._catalog)


def _check(draft: Draft, scope: Scope) -> None:
    if not scope.covers(draft.place):
        raise AlertError(f"place {draft.place!r} is not within {scope.path}")
