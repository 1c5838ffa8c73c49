"""What may be sent: never more than the budget, whatever clocks say, and never nothing for ever."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.allowance import (
    LEASE_BYTES,
    MONTH_S,
    Account,
    Allowance,
    BudgetError,
    Limits,
    Purpose,
    Standing,
    month_rate,
)

STANDING = Standing(connection_bytes=1500, bytes_per_s=0.05)
FLOOR = STANDING.floor_bytes_per_month()
DAY_S = 86400.0


def metered(cap: int) -> Limits:
    return Limits(None, 4096, cap)


def leased(allowance: Allowance) -> Allowance:
    allowance.keep()
    allowance.kept()
    return allowance


def test_without_limits_everything_may_go() -> None:
    allowance = Allowance(Limits())
    assert allowance.admits(Purpose.BACKLOG, 10**9, 0.0)
    assert not allowance.is_due()


def test_a_burst_may_go_and_then_what_flows_in() -> None:
    allowance = Allowance(Limits(100.0, 4096), STANDING)
    room = int(allowance.room(Purpose.LIVE, 0.0))
    assert 1000 < room < 4096
    assert allowance.admits(Purpose.LIVE, room, 0.0)
    allowance.spend(room, 0.0)
    assert not allowance.admits(Purpose.LIVE, 100, 0.9)
    assert allowance.admits(Purpose.LIVE, 100, 1.0)


def test_each_purpose_leaves_room_for_those_before_it() -> None:
    allowance = Allowance(Limits(1.0, 16384), STANDING)
    rooms = [allowance.room(purpose, 0.0) for purpose in Purpose]
    assert rooms == sorted(rooms, reverse=True)
    assert len(set(rooms)) == len(rooms)
    allowance.spend(int(rooms[Purpose.LIVE]), 0.0)
    assert not allowance.admits(Purpose.LIVE, 200, 0.0)
    assert allowance.admits(Purpose.CONNECTION, STANDING.connection_bytes, 0.0)


def test_a_cap_below_what_a_connection_takes_is_refused_and_named() -> None:
    with pytest.raises(BudgetError, match=f"bytes_per_month {FLOOR - 1} .* takes {FLOOR}"):
        Allowance(metered(FLOOR - 1), STANDING)
    Allowance(metered(FLOOR), STANDING)
    with pytest.raises(BudgetError, match=r"bytes_per_s 0\.01 .* takes 0\.1"):
        Allowance(Limits(0.01), STANDING)


def test_the_smallest_cap_opens_a_connection_each_day() -> None:
    allowance = leased(Allowance(metered(FLOOR), STANDING))
    for day in range(40):
        leased(allowance)
        assert allowance.admits(Purpose.CONNECTION, STANDING.connection_bytes, day * DAY_S)
        allowance.spend(STANDING.connection_bytes, day * DAY_S)
        allowance.spend(int(STANDING.bytes_per_s * DAY_S), day * DAY_S)


def test_the_largest_message_is_known_before() -> None:
    assert Allowance(Limits()).most(Purpose.LIVE) == float("inf")
    allowance = Allowance(Limits(10.0, 4096), STANDING)
    most = int(allowance.most(Purpose.LIVE))
    assert allowance.admits(Purpose.LIVE, most, 0.0)
    assert not allowance.admits(Purpose.LIVE, most + 1, 10**6)
    large = Standing(connection_bytes=9000)
    metered_too = leased(Allowance(metered(10**8), large))
    assert metered_too.admits(Purpose.CONNECTION, large.connection_bytes, 0.0)
    assert not metered_too.admits(Purpose.CONNECTION, int(metered_too.most(Purpose.CONNECTION)) + 1, 10**6)


def test_nothing_goes_before_the_account_is_kept() -> None:
    allowance = Allowance(metered(10_000_000), STANDING)
    assert allowance.is_due()
    assert not allowance.admits(Purpose.LIVE, 1, 0.0)
    allowance.keep()
    assert not allowance.admits(Purpose.LIVE, 1, 0.0)
    allowance.kept()
    assert allowance.admits(Purpose.LIVE, 1, 0.0)
    assert not allowance.is_due()


def test_a_crash_forgets_nothing_that_was_sent() -> None:
    allowance = Allowance(metered(10_000_000), STANDING)
    kept = allowance.keep()
    allowance.kept()
    sent = 0
    while allowance.admits(Purpose.LIVE, 100, 0.0):
        allowance.spend(100, 0.0)
        sent += 100
    assert LEASE_BYTES - 100 < sent <= LEASE_BYTES
    again = Allowance(metered(10_000_000), STANDING, kept)
    assert again.account.level_bytes <= allowance.account.level_bytes


def test_the_account_of_an_orderly_end_is_exact() -> None:
    allowance = leased(Allowance(metered(10_000_000), STANDING))
    allowance.spend(1000, 0.0)
    last = allowance.keep(last=True)
    allowance.kept(last=True)
    assert last == allowance.account
    assert not allowance.admits(Purpose.CONNECTION, 1, 0.0)


def test_time_that_the_device_was_off_flows_in_once_when_the_cloud_tells() -> None:
    cap = 31_000_000
    kept = Account(1000.0, clock_ms=1_000_000.0, month="1970-01")
    allowance = Allowance(metered(cap), STANDING, kept)
    hour_later_ms = 1_000_000 + 3_600_000
    allowance.hear(hour_later_ms, 10.0)
    assert allowance.account.level_bytes == pytest.approx(1000 + 3600 * month_rate(cap))
    for _ in range(5):
        allowance.hear(hour_later_ms + 10**12, 10.0)
    assert allowance.account.level_bytes == pytest.approx(1000 + 3600 * month_rate(cap))
    again = Allowance(metered(cap), STANDING, allowance.keep(last=True))
    again.hear(hour_later_ms, 0.0)
    assert again.account.level_bytes == pytest.approx(allowance.account.level_bytes)


@pytest.mark.parametrize("jump_ms", [-40 * 86_400_000, 40 * 86_400_000, 10**15])
def test_a_clock_that_jumps_opens_no_more_than_a_day(jump_ms: int) -> None:
    cap = 31_000_000
    now_ms = 1_750_000_000_000
    spent = leased(Allowance(metered(cap), STANDING, Account(0.0, float(now_ms), "2025-06", 0)))
    spent.hear(now_ms + jump_ms, 0.0)
    assert spent.account.level_bytes <= cap / 31
    again = Allowance(metered(cap), STANDING, Account(0.0, spent.account.clock_ms))
    again.hear(now_ms, 0.0)
    assert again.account.level_bytes == 0


def test_people_see_the_month_and_what_it_has_taken() -> None:
    allowance = leased(Allowance(metered(31_000_000), STANDING))
    allowance.hear(1_767_225_599_000, 0.0)  # a second before 2026
    allowance.spend(700, 0.0)
    assert (allowance.account.month, allowance.account.month_bytes) == ("2025-12", 700)
    allowance.spend(300, 2.0)
    assert (allowance.account.month, allowance.account.month_bytes) == ("2026-01", 300)


def test_a_lower_cap_holds_at_once() -> None:
    allowance = leased(Allowance(metered(310_000_000), STANDING))
    allowance.adopt(metered(3_100_000))
    assert allowance.account.level_bytes == 100_000
    with pytest.raises(BudgetError):
        allowance.adopt(metered(1))
    assert allowance.limits == metered(3_100_000)


@dataclass
class Device:
    """Sends whatever is admitted, through restarts; `sent` are bytes by real time."""

    cap: int
    time_s: float = 0.0
    sent: list[tuple[float, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.kept: Account | None = None
        self.boot()

    def boot(self) -> None:
        self.began_s = self.time_s
        self.allowance = Allowance(metered(self.cap), STANDING, self.kept)
        self.keep()

    def keep(self) -> None:
        self.kept = self.allowance.keep()
        self.allowance.kept()

    def offer(self, purpose: Purpose, size: int) -> None:
        now_s = self.time_s - self.began_s
        if self.allowance.is_due():
            self.keep()
        if self.allowance.admits(purpose, size, now_s):
            self.spend(size)

    def spend(self, size: int) -> None:
        self.allowance.spend(size, self.time_s - self.began_s)
        self.sent.append((self.time_s, size))

    def most_in_a_month(self) -> int:
        """Sum up the 31 days with the most bytes, wherever they begin."""
        most = total = first = 0
        for at_s, size in self.sent:
            total += size
            while self.sent[first][0] <= at_s - MONTH_S:
                total -= self.sent[first][1]
                first += 1
            most = max(most, total)
        return most


EVENTS = st.one_of(
    st.tuples(st.just("pass"), st.floats(0, 5 * DAY_S)),
    st.tuples(st.just("greedy"), st.integers(40, 4000)),
    st.tuples(st.just("offer"), st.tuples(st.sampled_from(Purpose), st.integers(1, 6000))),
    st.tuples(st.just("crash"), st.floats(0, 10 * DAY_S)),
    st.tuples(st.just("end"), st.floats(0, 10 * DAY_S)),
    st.tuples(st.just("hear"), st.floats(-60 * DAY_S, 0)),
)


@settings(max_examples=150, deadline=None)
@given(
    cap=st.integers(FLOOR, 20 * FLOOR), events=st.lists(EVENTS, max_size=60), lie_s=st.floats(0, 400 * DAY_S)
)
def test_no_31_days_exceed_the_cap(cap: int, events: list[tuple[str, object]], lie_s: float) -> None:
    """Packets, resends, connections, records and pings, crashes, and clocks that go back; one leaps ahead."""
    device, pinged_s, lies = Device(cap), 0.0, [lie_s]
    for kind, value in events:
        if kind == "offer" and isinstance(value, tuple):
            device.offer(*value)
        elif kind == "greedy" and isinstance(value, int):
            for _ in range(cap // value + 1):
                device.offer(Purpose.LIVE, value)
        elif isinstance(value, float):
            if kind == "hear":
                clock_s = 1.7e9 + device.time_s + value + (lies.pop() if lies else 0)
                device.allowance.hear(round(clock_s * 1e3), device.time_s - device.began_s)
                continue
            if kind == "end":
                device.kept = device.allowance.keep(last=True)
            device.time_s += value
            if kind in ("crash", "end"):
                device.boot()
                pinged_s = device.time_s
        pings = int((device.time_s - pinged_s) / 120)
        if pings:
            device.spend(2 * pings)
            pinged_s = device.time_s
    assert device.most_in_a_month() <= cap
