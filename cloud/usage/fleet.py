"""What all devices sent and may send, in a few statements however many they are."""

from collections.abc import Mapping
from dataclasses import dataclass

from cloud.clock import Clock, wall_ms
from cloud.config_usage import UsageSettings
from cloud.store import Store
from cloud.usage.budgets import BudgetNow, Budgets
from cloud.usage.periods import billing_month, local_day
from cloud.usage.query import cost, ratio, spent, summed
from cloud.usage.sums import DEVICE_DEPTH


@dataclass(frozen=True, slots=True)
class DeviceUsage:
    """A device, tenant/site/device, today and in the billing month of its budget, or of the settings.

    `ratio` says how many times more the video that is compared with would have taken this month. What is
    None is not known: no budget, no history, no samples, no price.
    """

    device: str
    bytes_today: int
    bytes_period: int
    budget: int | None
    share: float | None
    forecast: int | None
    ratio: float | None
    cost: float | None
    alerts: tuple[int, ...]


class FleetUsage:
    """Looks at all devices at once. Safe to share between threads; raises StoreError."""

    def __init__(self, store: Store, settings: UsageSettings, clock: Clock = wall_ms) -> None:
        self._store = store
        self._settings = settings
        self._budgets = Budgets(store, settings, clock)

    def fleet(self, now_ms: int) -> list[DeviceUsage]:
        """List the devices that sent anything this month or today, by name."""
        zone = self._settings.zone
        budgets = {each.place: each for each in self._budgets.now()}
        month = billing_month(now_ms, zone, self._settings.billing_day)
        with self._store.read() as session:
            today = spent(session, local_day(now_ms, zone))
            rows = {row["path"]: row for row in summed(session, month, "", DEVICE_DEPTH)}
        return [
            self._device(path, today.get(path, 0), rows.get(path), budgets.get(path))
            for path in sorted({*today, *rows})
        ]

    def _device(
        self, path: str, today: int, month: Mapping[str, int] | None, budget: BudgetNow | None
    ) -> DeviceUsage:
        used = budget.used if budget is not None else month["bytes"] if month is not None else 0
        priced, nano = (0, 0) if month is None else (month["priced"], month["nano"])
        numbers = {"bytes": max(used, priced), "priced": priced, "nano": nano}
        return DeviceUsage(
            device=path,
            bytes_today=today,
            bytes_period=used,
            budget=None if budget is None else budget.bytes_per_month,
            share=None if budget is None else budget.share,
            forecast=None if budget is None or budget.forecast is None else budget.forecast.expected,
            ratio=None if month is None else ratio(month, self._settings.compare),
            cost=cost(numbers, self._settings),
            alerts=() if budget is None else budget.alerts,
        )
