"""What places sent and may send, for the fleet page: bytes over time, budgets, and hours that stand out."""

from collections.abc import Iterator, Sequence

from sqlalchemy import select

from cloud.config_usage import UsageSettings
from cloud.page.fleet_panels import NEAR, Notice, used_text
from cloud.page.wording import bytes_text
from cloud.schema import DeviceRow, UsageAnomalyRow, UsageRow
from cloud.store import Store
from cloud.usage.budgets import Budgets
from cloud.usage.periods import DAY_MS, Grain
from cloud.usage.query import Point, Usage
from cloud.usage.sums import DEVICE_DEPTH, depth

_MOST = 20  # hours that stand out
_CODECS = {"h264": "H.264", "h265": "H.265"}


class Spending:
    """Safe to share between threads; raises StoreError."""

    def __init__(self, store: Store, settings: UsageSettings) -> None:
        self._store = store
        self._settings = settings
        self._usage = Usage(store, settings)
        self._budgets = Budgets(store, settings)

    @property
    def currency(self) -> str | None:
        """What costs are told in; None where nothing has a price: neither a megabyte nor a device's link."""
        if self._settings.price_per_mb is None and not self._has_priced():
            return None
        return self._settings.currency

    def _has_priced(self) -> bool:
        query = select(UsageRow.place_id).where(UsageRow.grain == Grain.EVER.value, UsageRow.priced > 0)
        with self._store.read() as session:
            return session.scalar(query.limit(1)) is not None

    @property
    def compare(self) -> str:
        """Name the video that ratios are to."""
        return _CODECS[self._settings.compare]

    def points(self, place: str, from_ms: int, to_ms: int, grain: Grain) -> Sequence[Point]:
        """Give what a place sent over time; "" is the whole fleet."""
        return self._usage.series(place, from_ms, to_ms, grain)

    def notices(self, now_ms: int) -> list[Notice]:
        """Tell of budgets of sites, tenants and the fleet that are nearly used, and of unusual hours."""
        return [*self._of_budgets(), *self._of_hours(now_ms)]

    def _of_budgets(self) -> Iterator[Notice]:
        for budget in sorted(self._budgets.now(), key=lambda each: -each.share):
            forecast = budget.forecast
            ahead = None if forecast is None else forecast.expected / budget.bytes_per_month
            if depth(budget.place) < DEVICE_DEPTH and (budget.share >= NEAR or (ahead or 0) >= 1):
                yield Notice(budget.place, used_text(budget.share, ahead), budget.share)

    def _of_hours(self, now_ms: int) -> Iterator[Notice]:
        query = (
            select(UsageAnomalyRow, DeviceRow.tenant, DeviceRow.site, DeviceRow.name)
            .join(DeviceRow, DeviceRow.id == UsageAnomalyRow.device_id)
            .where(UsageAnomalyRow.raised_ms > now_ms - DAY_MS)
            .order_by(UsageAnomalyRow.raised_ms.desc())
            .limit(_MOST)
        )
        with self._store.read() as session:
            for row, *names in session.execute(query):
                told = f"{bytes_text(row.bytes)} in an hour, {bytes_text(row.expected)} is usual"
                yield Notice("/".join(names), told)
