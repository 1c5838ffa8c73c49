"""Hours, days and months of UTC, and months that begin on a billing day of some time zone. Pure.

Sums are kept by UTC. A billing month is made of whole days of UTC, and hours at its edges; where a time zone
is off by half an hour, it begins with the hour of UTC that begins next.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from enum import Enum

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS


class Grain(str, Enum):
    """How much time a sum is over. Minutes are summed above devices only: those have `usage_records`."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"
    EVER = "ever"

    def start_ms(self, at_ms: int) -> int:
        """Give when the period began that a time is in."""
        if self is Grain.EVER:
            return 0
        if self is Grain.MONTH:
            at = _datetime(at_ms, timezone.utc)
            return _ms(at.replace(day=1, hour=0, minute=0, second=0, microsecond=0))
        return at_ms - at_ms % self.width_ms

    @property
    def width_ms(self) -> int:
        """Give how long a period is; months and ever are no multiples of anything."""
        return {Grain.MINUTE: MINUTE_MS, Grain.HOUR: HOUR_MS, Grain.DAY: DAY_MS}[self]


@dataclass(frozen=True, slots=True)
class Period:
    """A time from one instant on and before another."""

    from_ms: int
    to_ms: int

    @property
    def whole_ms(self) -> int:
        return self.to_ms - self.from_ms


def pieces(from_ms: int, to_ms: int, width_ms: int) -> Iterator[tuple[int, int]]:
    """Cut a time at multiples of `width_ms`: where each piece's multiple starts, and its length."""
    at_ms = from_ms
    while at_ms < to_ms:
        start_ms = at_ms - at_ms % width_ms
        end_ms = min(start_ms + width_ms, to_ms)
        yield start_ms, end_ms - at_ms
        at_ms = end_ms


def billing_month(at_ms: int, zone: tzinfo, day: int) -> Period:
    """Give the month that a time is in; it begins on a day of 1 to 28."""
    local = _datetime(at_ms, zone)
    begin = datetime(local.year, local.month, day, tzinfo=zone)
    if _hour(begin) > at_ms:
        begin = _month_before(begin)
    return Period(_hour(begin), _hour(_month_after(begin)))


def local_day(at_ms: int, zone: tzinfo) -> Period:
    """Give the day of a time zone that a time is in, to the hour."""
    midnight = _datetime(at_ms, zone).replace(hour=0, minute=0, second=0, microsecond=0)
    if _hour(midnight) > at_ms:
        midnight -= timedelta(days=1)
    return Period(_hour(midnight), _hour(midnight + timedelta(days=1)))


def _month_before(begin: datetime) -> datetime:
    if begin.month == 1:
        return begin.replace(year=begin.year - 1, month=12)
    return begin.replace(month=begin.month - 1)


def _month_after(begin: datetime) -> datetime:
    if begin.month == 12:
        return begin.replace(year=begin.year + 1, month=1)
    return begin.replace(month=begin.month + 1)


def _hour(at: datetime) -> int:
    """Give the first hour of UTC that does not begin before."""
    return -(-_ms(at) // HOUR_MS) * HOUR_MS


def _datetime(at_ms: int, zone: tzinfo) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, zone)


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
