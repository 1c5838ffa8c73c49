"""Looks after budgets and histories: each mark of a budget is told once a month, each odd hour once.

budgets  --used of this month-->  70, 90, 100 %  --> budget_alerts   --.
hours that are over  --history-->  findings      --> usage_anomalies --+--> cloud.usage.telling
"""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from cloud.config_usage import UsageSettings
from cloud.registry import table_of
from cloud.schema import BudgetAlertRow, DeviceRow, UsageAnomalyRow, UsagePlaceRow, UsageRow
from cloud.store import Store
from cloud.usage import anomaly, budgets
from cloud.usage.periods import HOUR_MS, MINUTE_MS, Grain, billing_month
from cloud.usage.sums import DEVICE_DEPTH
from cloud.usage.telling import Telling
from wire.notices import BudgetFacts, UnusualFacts

MARKS = (70, 90, 100)  # percent
SETTLED_MS = 10 * MINUTE_MS  # after an hour, its last minutes have come
WEEKS = (1, 2, 3, 4)  # what an hour is compared with at first: a whole history takes milliseconds a device


class Warden:
    """For one thread. Raises StoreError."""

    def __init__(self, store: Store, settings: UsageSettings, telling: Telling) -> None:
        self._store = store
        self._settings = settings
        self._telling = telling
        self._hour_ms = 0  # which was looked at last

    def work(self, now_ms: int) -> int:
        """Look at all budgets, and at the last hour once it is over; tell how much was raised."""
        raised = self._look_at_budgets(now_ms)
        hour_ms = Grain.HOUR.start_ms(now_ms - SETTLED_MS) - HOUR_MS
        if hour_ms != self._hour_ms:
            raised += self.look_at_hour(hour_ms, now_ms)
            self._hour_ms = hour_ms
        return raised

    def _look_at_budgets(self, now_ms: int) -> int:
        with self._store.read() as session:
            rows = budgets.read(session)
            found = [(row, billing_month(now_ms, self._settings.zone, row.billing_day)) for row in rows]
            used = budgets.used_by(session, found)
            known = _known(session)
        reached = [
            (row, month, percent)
            for row, month in found
            for percent in MARKS
            if used[row.place] * 100 >= percent * row.bytes_per_month
            and (row.id, month.from_ms, percent) not in known
        ]
        raised = 0
        if reached:
            with self._store.write() as session:
                for row, month, percent in reached:
                    facts = BudgetFacts(
                        row.place, percent, used[row.place], row.bytes_per_month, month.from_ms, month.to_ms
                    )
                    if _insert_alert(session, row.id, facts, now_ms):
                        self._telling.reached(session, facts, now_ms)
                        raised += 1
        return raised

    def look_at_hour(self, hour_ms: int, now_ms: int) -> int:
        """Compare an hour of each device with its history; tell how many stand out for the first time."""
        with self._store.read() as session:
            suspects = _suspects(session, hour_ms)
            found = list[tuple[_Hour, anomaly.Finding]]()
            for hour in suspects:
                finding = anomaly.find(_history(session, hour.place_id, hour_ms), hour_ms, hour.bytes)
                if finding is not None:
                    found.append((hour, finding))
        raised = 0
        if found:
            with self._store.write() as session:
                for hour, finding in found:
                    if _insert_anomaly(session, hour.path, hour_ms, finding, now_ms):
                        facts = UnusualFacts(
                            hour.path, hour_ms, finding.bytes, finding.expected, finding.most
                        )
                        self._telling.unusual(session, facts, now_ms)
                        raised += 1
        return raised


class _Hour(NamedTuple):
    place_id: int
    path: str
    bytes: int


def _known(session: Session) -> set[tuple[int, int, int]]:
    columns = (BudgetAlertRow.budget_id, BudgetAlertRow.period_ms, BudgetAlertRow.percent)
    return {(row.budget_id, row.period_ms, row.percent) for row in session.execute(select(*columns))}


def _insert_alert(session: Session, budget_id: int, facts: BudgetFacts, now_ms: int) -> bool:
    row = {
        "budget_id": budget_id, "period_ms": facts.from_ms, "percent": facts.percent, "used": facts.used,
        "bytes_per_month": facts.budget, "raised_ms": now_ms,
    }  # fmt: skip
    return _insert(session, BudgetAlertRow, row)


def _insert_anomaly(session: Session, path: str, hour_ms: int, finding: anomaly.Finding, now_ms: int) -> bool:
    tenant, site, name = path.split("/")
    device = select(DeviceRow.id).where(
        DeviceRow.tenant == tenant, DeviceRow.site == site, DeviceRow.name == name
    )
    row = {
        "device_id": session.scalars(device).one(), "hour_ms": hour_ms, "bytes": finding.bytes,
        "expected": finding.expected, "most": finding.most, "raised_ms": now_ms,
    }  # fmt: skip
    return _insert(session, UsageAnomalyRow, row)


def _insert(session: Session, kind: type[BudgetAlertRow | UsageAnomalyRow], row: dict[str, int]) -> bool:
    """Insert a row; False if another process was quicker."""
    on_postgresql = session.get_bind().dialect.name == "postgresql"
    table = table_of(kind)
    insert = (postgresql if on_postgresql else sqlite).insert(table).values(row).on_conflict_do_nothing()
    return session.execute(insert.returning(*table.primary_key)).first() is not None


def _suspects(session: Session, hour_ms: int) -> list[_Hour]:
    """Give the devices that sent more than in the same hour of each of the last weeks, if not much more."""
    week_ms = anomaly.WEEK_H * HOUR_MS
    hours = [hour_ms - week * week_ms for week in (0, *WEEKS)]
    query = (
        select(UsagePlaceRow.id, UsagePlaceRow.path, UsageRow.start_ms, UsageRow.bytes)
        .join(UsageRow, UsageRow.place_id == UsagePlaceRow.id)
        .where(UsagePlaceRow.depth == DEVICE_DEPTH, UsageRow.grain == Grain.HOUR.value)
        .where(UsageRow.start_ms.in_(hours))
    )
    now: dict[int, _Hour] = {}
    before: dict[int, int] = {}
    for row in session.execute(query):
        if row.start_ms == hour_ms:
            now[row.id] = _Hour(row.id, row.path, row.bytes)
        else:
            before[row.id] = max(before.get(row.id, 0), row.bytes)
    return [hour for hour in now.values() if hour.bytes > max(before.get(hour.place_id, 0), anomaly.LEAST)]


def _history(session: Session, place_id: int, hour_ms: int) -> Sequence[tuple[int, int]]:
    query = select(UsageRow.start_ms, UsageRow.bytes).where(
        UsageRow.grain == Grain.HOUR.value,
        UsageRow.place_id == place_id,
        UsageRow.start_ms >= hour_ms - anomaly.MOST_H * HOUR_MS,
        UsageRow.start_ms < hour_ms,
    )
    return [(row.start_ms, row.bytes) for row in session.execute(query)]
