"""Budgets: how many bytes a place may send in a billing month, how far it has got, and where that leads.

Places may be nested: a device counts against its own budget, that of its site, of its tenant, of the fleet.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from cloud.clock import Clock, wall_ms
from cloud.config_usage import UsageSettings
from cloud.registry import insert_missing
from cloud.schema import BudgetAlertRow, BudgetRow, UsagePlaceRow, UsageRow
from cloud.store import Store
from cloud.usage import query
from cloud.usage.forecast import MOST_DAYS, Ahead, Day, Forecast, forecast
from cloud.usage.periods import DAY_MS, Grain, Period, billing_month
from cloud.usage.sums import depth
from wire import topics
from wire.topics import TopicError

MOST_BYTES = 2**53
FORECAST_MS = 10 * 60_000  # so long one is good


class BudgetError(ValueError):
    """The budget cannot be, or is not there; the message says why."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What a place may send from one billing day to the next."""

    place: str
    bytes_per_month: int
    billing_day: int

    def __post_init__(self) -> None:
        check_place(self.place)
        if not 0 < self.bytes_per_month < MOST_BYTES:
            raise BudgetError(f"budget of {self.bytes_per_month} bytes is not 1 to 2**53")
        if not 1 <= self.billing_day <= 28:
            raise BudgetError(f"billing day {self.billing_day} is not 1 to 28, which all months have")


@dataclass(frozen=True, slots=True)
class BudgetNow:
    """A budget, what of it is used in the month from `from_ms`, and the alerts of that month, in percent."""

    place: str
    bytes_per_month: int
    billing_day: int
    from_ms: int
    to_ms: int
    used: int
    share: float
    forecast: Forecast | None
    alerts: tuple[int, ...]


class Budgets:
    """Reads and writes budgets. Safe to share between threads; raises StoreError."""

    def __init__(self, store: Store, settings: UsageSettings, clock: Clock = wall_ms) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._forecasts: dict[str, tuple[int, Forecast | None]] = {}
        self._lock = threading.Lock()

    def set(self, place: str, bytes_per_month: int, billing_day: int | None = None) -> Budget:
        """Give a place a budget, instead of the one that it had. Raises BudgetError."""
        budget = Budget(place, bytes_per_month, billing_day or self._settings.billing_day)
        values: dict[str, str | int | bytes] = {
            "bytes_per_month": bytes_per_month, "billing_day": budget.billing_day, "set_ms": self._clock(),
        }  # fmt: skip
        with self._store.write() as session:
            insert_missing(session, BudgetRow, [values | {"place": place}])
            session.execute(update(BudgetRow).where(BudgetRow.place == place).values(**values))
        return budget

    def remove(self, place: str) -> None:
        """Take a budget away, with its alerts. Raises BudgetError."""
        with self._store.write() as session:
            gone = delete(BudgetRow).where(BudgetRow.place == place).returning(BudgetRow.id)
            budget_id = session.scalar(gone)
            if budget_id is None:
                raise BudgetError(f"{place or 'the fleet'} has no budget")

    def now(self, *, forecasts: bool = True) -> list[BudgetNow]:
        """List all budgets by place, as they are."""
        now_ms = self._clock()
        with self._store.read() as session:
            found = [(row, self.month(row, now_ms)) for row in read(session)]
            alerts = _alerts(session)
            used = used_by(session, found)
            return [
                BudgetNow(
                    row.place,
                    row.bytes_per_month,
                    row.billing_day,
                    month.from_ms,
                    month.to_ms,
                    used[row.place],
                    used[row.place] / row.bytes_per_month,
                    self._forecast(session, row.place, month, used[row.place], now_ms) if forecasts else None,
                    tuple(
                        percent for since_ms, percent in alerts.get(row.id, ()) if since_ms == month.from_ms
                    ),
                )
                for row, month in found
            ]

    def month(self, row: BudgetRow, now_ms: int) -> Period:
        """Give the billing month that a budget is in."""
        return billing_month(now_ms, self._settings.zone, row.billing_day)

    def _forecast(
        self, session: Session, place: str, month: Period, used: int, now_ms: int
    ) -> Forecast | None:
        with self._lock:
            at_ms, made = self._forecasts.get(place, (-FORECAST_MS, None))
        if now_ms - at_ms >= FORECAST_MS:
            made = forecast(history(session, place, now_ms), used, days_ahead(month, now_ms))
            with self._lock:
                self._forecasts[place] = (now_ms, made)
        return made


def check_place(place: str) -> None:
    """Raise BudgetError unless this is "" or tenant, tenant/site or tenant/site/device."""
    names = place.split("/") if place else []
    try:
        for name in names:
            topics.check_id("place", name)
    except TopicError as error:
        raise BudgetError(f"place {place!r}: {error}") from error
    if len(names) > 3:
        raise BudgetError(f"place {place!r} is not TENANT, TENANT/SITE or TENANT/SITE/DEVICE")


def read(session: Session) -> Sequence[BudgetRow]:
    """Give all budgets by place."""
    return session.scalars(select(BudgetRow).order_by(BudgetRow.place)).all()


def used_by(session: Session, budgets: Sequence[tuple[BudgetRow, Period]]) -> dict[str, int]:
    """Give what each place has used in its month, those of one month and level at once."""
    used = {row.place: 0 for row, _ in budgets}
    for month, level in sorted({(month, depth(row.place)) for row, month in budgets}, key=_order):
        spent = query.spent(session, month, "", level)
        for row, of in budgets:
            if (of, depth(row.place)) == (month, level):
                used[row.place] = spent.get(row.place, 0)
    return used


def history(session: Session, place: str, now_ms: int) -> list[Day]:
    """Give the whole days (of UTC) of a place before today, from its first on; silent ones sent nothing."""
    today_ms = Grain.DAY.start_ms(now_ms)
    days = (
        select(UsageRow.start_ms, UsageRow.bytes)
        .join(UsagePlaceRow, UsagePlaceRow.id == UsageRow.place_id)
        .where(UsagePlaceRow.path == place, UsageRow.grain == Grain.DAY.value)
        .where(UsageRow.start_ms >= today_ms - MOST_DAYS * DAY_MS, UsageRow.start_ms < today_ms)
    )
    sent = {row.start_ms: int(row.bytes) for row in session.execute(days)}
    if not sent:
        return []
    # The first day is one that began in the middle.
    return [Day(weekday(at_ms), sent.get(at_ms, 0)) for at_ms in range(min(sent) + DAY_MS, today_ms, DAY_MS)]


def days_ahead(month: Period, now_ms: int) -> list[Ahead]:
    """Give what is left of a month, today in part."""
    ahead, at_ms = list[Ahead](), now_ms
    while at_ms < month.to_ms:
        end_ms = min(Grain.DAY.start_ms(at_ms) + DAY_MS, month.to_ms)
        ahead.append(Ahead(weekday(at_ms), (end_ms - at_ms) / DAY_MS))
        at_ms = end_ms
    return ahead


def weekday(at_ms: int) -> int:
    """Give the weekday of a time, from 0 for Monday: the epoch began on a Thursday."""
    return (at_ms // DAY_MS + 3) % 7


def _alerts(session: Session) -> dict[int, list[tuple[int, int]]]:
    found: dict[int, list[tuple[int, int]]] = {}
    columns = (BudgetAlertRow.budget_id, BudgetAlertRow.period_ms, BudgetAlertRow.percent)
    for row in session.execute(select(*columns).order_by(*columns)):
        found.setdefault(row.budget_id, []).append((row.period_ms, row.percent))
    return found


def _order(key: tuple[Period, int]) -> tuple[int, int, int]:
    return key[0].from_ms, key[0].to_ms, key[1]
