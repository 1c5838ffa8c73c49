"""What may be sent: two token buckets that are asked before anything goes out, and a copy for the disk.

                  a second                                a month
    flows in      bytes_per_s                             29/31 of the cap in 31 days
    holds         burst_bytes, one connection at least    1/31 of the cap, a day's share

No calendar opens anything: what flows in is time that has passed. In any 31 days a bucket gives what it held
and what flows in, 30/31 of the cap; the last share is for a clock that errs (below). So no month exceeds its
cap, wherever it begins, and no clock that jumps opens it twice.

Time passes while the process runs, on a clock that only goes forward. How long a device was off, the cloud's
first ack after that tells: each moment flows in once, and a day's share is the most that a wrong clock can
bring, once in a boot.

Pure: times are arguments, in seconds of a clock that never goes back; `cloud_ms` is Unix time.
"""

import math
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from enum import IntEnum

DAYS = 31
MONTH_S = DAYS * 86400.0
LEASE_BYTES = 4096  # that may be sent before the account is written down again
_LIVE_BYTES = 256  # of a reply or a record, which go before segments
_BACKLOG_BYTES = 1024  # of the next live segments
_UNASKED_BYTES = 64  # pings and receipts that go out between two questions


class BudgetError(ValueError):
    """The budget cannot keep a device connected; the message says how much it takes."""


class Purpose(IntEnum):
    """What something is sent for. Each leaves room for all before it."""

    CONNECTION = 0  # CONNECT, births, states
    RECORD = 1  # telemetry, replies
    LIVE = 2
    BACKLOG = 3


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may be sent; None for no limit. Counted is what the caller counts: see `spend`."""

    bytes_per_s: float | None = None
    burst_bytes: int = 16384
    bytes_per_month: int | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """What a device sends only to stay connected: for each connection, and in each second."""

    connection_bytes: int = 2048  # CONNECT, SUBSCRIBE, a birth, two states
    bytes_per_s: float = 0.05  # a ping of 2 bytes in 120 s, a receipt of 4 for an ack, now and then

    @property
    def lease_bytes(self) -> int:
        """How much may be sent before the account is written down again: one connection at least."""
        return max(LEASE_BYTES, self.connection_bytes)

    def floor_bytes_per_month(self) -> int:
        """Give the smallest cap that works: a connection a day, pings, what a crash forgets of a lease."""
        day = self.connection_bytes + self.lease_bytes + _UNASKED_BYTES
        flow = DAYS * self.connection_bytes + self.bytes_per_s * MONTH_S
        return math.ceil(max(DAYS * day, flow * DAYS / (DAYS - 2)))


@dataclass(frozen=True, slots=True)
class Account:
    """What is kept on the disk. `level_bytes`: what the month's bucket holds.

    `clock_ms`: up to where time has flowed in, as the cloud counts it; None until it has told.
    `month`, such as "2026-11", and `month_bytes` are for people: nothing is decided by them.
    """

    level_bytes: float
    clock_ms: float | None = None
    month: str = ""
    month_bytes: int = 0


class Allowance:
    """Ask `admits` before, tell `spend` after; not for two threads at once.

    Raises BudgetError for a cap under `Standing.floor_bytes_per_month`. Without an account the month's bucket
    begins full, as befits a new device.
    """

    def __init__(
        self, limits: Limits, standing: Standing | None = None, account: Account | None = None
    ) -> None:
        self._standing = standing or Standing()
        self._limits = checked(limits, self._standing)
        self._rate_level = float(self._rate_depth())
        self._account = account or Account(self._month_depth())
        self._account = replace(
            self._account, level_bytes=min(self._account.level_bytes, self._month_depth())
        )
        self._leased = 0.0  # bytes that may be sent before the account is kept again
        self._now_s: float | None = None
        self._heard = False

    @property
    def limits(self) -> Limits:
        return self._limits

    @property
    def account(self) -> Account:
        """How the month stands."""
        return self._account

    def adopt(self, limits: Limits) -> None:
        """Go by these limits from now on, or raise BudgetError. A month's cap counts from here."""
        self._limits = checked(limits, self._standing)
        self._rate_level = min(self._rate_level, self._rate_depth())
        level = min(self._account.level_bytes, self._month_depth())
        self._account = replace(self._account, level_bytes=level)

    def admits(self, purpose: Purpose, size: int, now_s: float) -> bool:
        """Tell whether `size` bytes may go now. Where the account must be kept first, they may not."""
        self._flow(now_s)
        return size <= self._room(purpose) and (not self._is_metered() or size <= self._leased)

    def room(self, purpose: Purpose, now_s: float) -> float:
        """Give the bytes that may go now."""
        self._flow(now_s)
        return max(self._room(purpose), 0.0)

    def most(self, purpose: Purpose) -> float:
        """Give the size of the largest message that is ever admitted."""
        sizes = [math.inf]
        second, month = depths(self._limits, self._standing)
        if self._limits.bytes_per_s is not None:
            sizes.append(second - ahead_of(purpose, self._standing, second))
        if self._is_metered():
            sizes += [month - ahead_of(purpose, self._standing, month), float(self._standing.lease_bytes)]
        return min(sizes)

    def spend(self, size: int, now_s: float) -> None:
        """Count what went out, asked for or not."""
        self._flow(now_s)
        if self._limits.bytes_per_s is not None:
            self._rate_level -= size
        self._leased -= size
        held = self._account
        level = held.level_bytes - size if self._is_metered() else held.level_bytes
        self._account = replace(held, level_bytes=level, month_bytes=held.month_bytes + size)

    def hear(self, cloud_ms: int, now_s: float) -> None:
        """Take the cloud's time; in a boot, only the first counts."""
        self._flow(now_s)
        if self._heard:
            return
        self._heard = True
        before_ms = self._account.clock_ms
        if before_ms is None:
            self._pass(0.0, cloud_ms)
        elif cloud_ms > before_ms:
            self._pass((cloud_ms - before_ms) / 1e3, cloud_ms)

    def is_due(self) -> bool:
        """Tell whether the account should be kept again, before little may be sent."""
        return self._is_metered() and self._leased < self._standing.lease_bytes / 2

    def keep(self, *, last: bool = False) -> Account:
        """Give the account to write down; once that is safe, tell `kept`.

        It is short by what may be sent until the next time, so that a crash forgets nothing that was sent.
        The `last` of a process is exact, and nothing may be sent after it.
        """
        lease = 0 if last else self._standing.lease_bytes
        return replace(
            self._account,
            level_bytes=self._account.level_bytes - lease,
            month_bytes=self._account.month_bytes + lease,
        )

    def kept(self, *, last: bool = False) -> None:
        """Note that what `keep` gave is safe."""
        self._leased = 0.0 if last else float(self._standing.lease_bytes)

    def _is_metered(self) -> bool:
        return self._limits.bytes_per_month is not None

    def _rate_depth(self) -> float:
        return depths(self._limits, self._standing)[0]

    def _month_depth(self) -> float:
        return depths(self._limits, self._standing)[1]

    def _room(self, purpose: Purpose) -> float:
        rooms = [math.inf]
        if self._limits.bytes_per_s is not None:
            rooms.append(self._rate_level - ahead_of(purpose, self._standing, self._rate_depth()))
        if self._is_metered():
            depth = self._month_depth()
            rooms.append(self._account.level_bytes - ahead_of(purpose, self._standing, depth))
        return min(rooms)

    def _flow(self, now_s: float) -> None:
        elapsed_s = 0.0 if self._now_s is None else max(now_s - self._now_s, 0.0)
        self._now_s = now_s if self._now_s is None else max(now_s, self._now_s)
        rate = self._limits.bytes_per_s
        if rate is not None:
            self._rate_level = min(self._rate_level + elapsed_s * rate, self._rate_depth())
        clock_ms = self._account.clock_ms
        self._pass(elapsed_s, None if clock_ms is None else clock_ms + elapsed_s * 1e3)

    def _pass(self, elapsed_s: float, clock_ms: float | None) -> None:
        """Let the month's share of so much time flow in, up to `clock_ms`."""
        held, level = self._account, self._account.level_bytes
        cap = self._limits.bytes_per_month
        if cap is not None:
            level = min(level + elapsed_s * month_rate(cap), self._month_depth())
        month = held.month if clock_ms is None else month_of(clock_ms)
        spent = held.month_bytes if month == held.month or not held.month else 0
        self._account = Account(level, clock_ms, month, spent)


def checked(limits: Limits, standing: Standing) -> Limits:
    """Give limits that can be kept, or raise BudgetError."""
    floor, cap = standing.floor_bytes_per_month(), limits.bytes_per_month
    if cap is not None and cap < floor:
        raise BudgetError(f"bytes_per_month {cap} does not keep a device connected, which takes {floor}")
    least = 2 * standing.bytes_per_s
    if limits.bytes_per_s is not None and limits.bytes_per_s < least:
        raise BudgetError(
            f"bytes_per_s {limits.bytes_per_s:g} does not keep a device connected, which takes {least:g}"
        )
    return limits


def fitted(limits: Limits, standing: Standing) -> Limits:
    """Give limits that can be kept: these, but no lower than what keeps a device connected."""
    rate, cap = limits.bytes_per_s, limits.bytes_per_month
    return replace(
        limits,
        bytes_per_s=None if rate is None else max(rate, 2 * standing.bytes_per_s),
        bytes_per_month=None if cap is None else max(cap, standing.floor_bytes_per_month()),
    )


def depths(limits: Limits, standing: Standing) -> tuple[float, float]:
    """Give what both buckets hold: of a second's limit, of a month's."""
    least = standing.connection_bytes + _UNASKED_BYTES
    return float(max(limits.burst_bytes, least)), (limits.bytes_per_month or 0) / DAYS


def ahead_of(purpose: Purpose, standing: Standing, depth: float) -> float:
    """Say how much of a bucket is left for what comes before `purpose`; at most half of it."""
    ahead = _UNASKED_BYTES
    for other, size in (
        (Purpose.RECORD, standing.connection_bytes),
        (Purpose.LIVE, _LIVE_BYTES),
        (Purpose.BACKLOG, _BACKLOG_BYTES),
    ):
        ahead += size if purpose >= other else 0
    return min(float(ahead), depth / 2)


def month_rate(cap: int) -> float:
    """Give the bytes a second at which a month's cap flows in."""
    return cap * (DAYS - 2) / DAYS / MONTH_S


def month_of(unix_ms: float) -> str:
    """Name the month (UTC) of a time."""
    return f"{datetime.fromtimestamp(min(unix_ms / 1e3, 253402300799.0), timezone.utc):%Y-%m}"
