"""What is handed on: a line a device, and hours that stood out."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select

from cloud.schema import DeviceRow, UsageAnomalyRow
from cloud.store import Store
from cloud.usage.periods import Period
from cloud.usage.query import Usage, cost, ratio, summed
from cloud.usage.samples import SampleView, listed
from cloud.usage.sums import DEVICE_DEPTH


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """What a device sent in a time; `received` is what the cloud got of its packets.

    `h264_bytes` and `h265_bytes` are estimates of what video would have taken for as long as the device
    reported, None without samples. `cost` is in `currency`, None without a price.
    """

    device: str
    from_ms: int
    to_ms: int
    bytes: int
    received: int
    covered_s: int
    h264_bytes: int | None
    h265_bytes: int | None
    ratio_h264: float | None
    ratio_h265: float | None
    ratio_raw: float | None
    cost: float | None
    currency: str | None


@dataclass(frozen=True, slots=True)
class Unusual:
    """A device sent more in the hour from `hour_ms` than its history explains."""

    device: str
    hour_ms: int
    bytes: int
    expected: int
    most: int
    raised_ms: int


class Reports:
    """Reads what is handed on. Raises StoreError."""

    def __init__(self, store: Store, usage: Usage) -> None:
        self._store = store
        self._usage = usage

    def devices(self, place: str, from_ms: int, to_ms: int) -> list[DeviceReport]:
        """Report on the devices of a place that sent anything, by name."""
        period = Period(from_ms, to_ms)
        with self._store.read() as session:
            rows = list(summed(session, period, place, DEVICE_DEPTH))
        return [self._report(row, period) for row in sorted(rows, key=lambda row: str(row["path"]))]

    def unusual(self, limit: int) -> list[Unusual]:
        """Give the hours that stood out, the newest first."""
        query = (
            select(DeviceRow, UsageAnomalyRow)
            .join(UsageAnomalyRow, UsageAnomalyRow.device_id == DeviceRow.id)
            .order_by(UsageAnomalyRow.raised_ms.desc(), UsageAnomalyRow.hour_ms.desc())
            .limit(limit)
        )
        with self._store.read() as session:
            return [
                Unusual(
                    f"{device.tenant}/{device.site}/{device.name}", row.hour_ms, row.bytes, row.expected,
                    row.most, row.raised_ms,
                )
                for device, row in session.execute(query)
            ]  # fmt: skip

    def samples(self) -> list[SampleView]:
        """Give what cameras would take as video."""
        return listed(self._store)

    def _report(self, row: Mapping[str, int], period: Period) -> DeviceReport:
        settings = self._usage.settings
        return DeviceReport(
            device=str(row["path"]),
            from_ms=period.from_ms,
            to_ms=period.to_ms,
            bytes=row["bytes"],
            received=row["received"],
            covered_s=row["covered_s"],
            h264_bytes=row["h264"] or None,
            h265_bytes=row["h265"] or None,
            ratio_h264=ratio(row, "h264"),
            ratio_h265=ratio(row, "h265"),
            ratio_raw=ratio(row, "raw"),
            cost=cost(row, settings),
            currency=None if cost(row, settings) is None else settings.currency,
        )
