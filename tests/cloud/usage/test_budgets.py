"""Budgets: billing months, marks that are told once, and who is told."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from cloud.config_usage import UsageSettings
from cloud.schema import BudgetAlertRow, OutboxRow, UsageAnomalyRow, UsageCallRow
from cloud.store import Store
from cloud.usage.budgets import BudgetError, Budgets
from cloud.usage.fleet import FleetUsage
from cloud.usage.periods import DAY_MS, Period, billing_month, local_day
from cloud.usage.sums import Amount, Gathering
from cloud.usage.telling import PAUSES_MS, ROUND_MS, Caller, Telling
from cloud.usage.warden import MARKS, Warden
from tests.cloud.usage.reporting import BOOT_MS, HOUR_MS
from wire import events
from wire.events import BudgetReached, UsageUnusual

NOW_MS = BOOT_MS + 12 * HOUR_MS
BERLIN = ZoneInfo("Europe/Berlin")
DEVICE = "acme/north/jetson-1"


def sent(store: Store, path: str, at_ms: int, size: int) -> None:
    with store.write() as session:
        gathering = Gathering()
        gathering.add(path, at_ms, Amount({"gate": [size]}))
        gathering.write(session)


def ms(text: str) -> int:
    from datetime import datetime

    return round(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.fixture
def settings() -> UsageSettings:
    return UsageSettings(price_per_mb=2.0)


@pytest.fixture
def budgets(any_store: Store, settings: UsageSettings) -> Budgets:
    return Budgets(any_store, settings, lambda: NOW_MS)


@pytest.fixture
def warden(any_store: Store, settings: UsageSettings) -> Warden:
    return Warden(any_store, settings, Telling(settings, events=True))


@pytest.mark.parametrize(
    ("at", "day", "begin", "end"),
    [
        ("2026-09-20T12:00+00:00", 1, "2026-09-01T00:00+02:00", "2026-10-01T00:00+02:00"),
        ("2026-09-20T12:00+00:00", 21, "2026-08-21T00:00+02:00", "2026-09-21T00:00+02:00"),
        ("2026-09-20T22:00+00:00", 21, "2026-09-21T00:00+02:00", "2026-10-21T00:00+02:00"),
        ("2026-01-01T00:30+01:00", 15, "2025-12-15T00:00+01:00", "2026-01-15T00:00+01:00"),
        ("2026-03-31T12:00+02:00", 1, "2026-03-01T00:00+01:00", "2026-04-01T00:00+02:00"),
    ],
)
def test_months_begin_on_the_billing_day_of_their_time_zone(at: str, day: int, begin: str, end: str) -> None:
    assert billing_month(ms(at), BERLIN, day) == Period(ms(begin), ms(end))


def test_the_days_of_changing_clocks_have_23_and_25_hours() -> None:
    assert local_day(ms("2026-03-29T12:00+02:00"), BERLIN).whole_ms == 23 * HOUR_MS
    assert local_day(ms("2026-10-25T12:00+01:00"), BERLIN).whole_ms == 25 * HOUR_MS


def test_a_budget_counts_what_was_sent_since_its_billing_day(any_store: Store) -> None:
    budgets = Budgets(any_store, UsageSettings(timezone="Europe/Berlin"), lambda: NOW_MS)
    budgets.set(DEVICE, 1000, billing_day=5)
    month = billing_month(NOW_MS, BERLIN, 5)
    sent(any_store, DEVICE, month.from_ms - 1, 500)
    sent(any_store, DEVICE, month.from_ms, 100)
    sent(any_store, DEVICE, NOW_MS, 20)
    sent(any_store, "acme/north/other", NOW_MS, 7)
    (now,) = budgets.now()
    assert (now.from_ms, now.to_ms, now.used, now.share) == (month.from_ms, month.to_ms, 120, 0.12)


def test_places_may_be_nested(budgets: Budgets, any_store: Store) -> None:
    sent(any_store, DEVICE, NOW_MS, 30)
    sent(any_store, "acme/south/jetson-2", NOW_MS, 12)
    for place in ("", "acme", "acme/south", DEVICE):
        budgets.set(place, 100)
    assert {now.place: now.used for now in budgets.now()} == {
        "": 42, "acme": 42, "acme/south": 12, DEVICE: 30,
    }  # fmt: skip


def test_a_mark_is_told_once_a_month(budgets: Budgets, any_store: Store, warden: Warden) -> None:
    budgets.set(DEVICE, 1000)
    sent(any_store, DEVICE, NOW_MS, 699)
    assert warden.work(NOW_MS) == 0
    sent(any_store, DEVICE, NOW_MS, 1)
    assert [warden.work(NOW_MS), warden.work(NOW_MS)] == [1, 0]
    sent(any_store, DEVICE, NOW_MS, 500)
    assert [warden.work(NOW_MS), warden.work(NOW_MS)] == [2, 0]
    assert [now.alerts for now in budgets.now()] == [MARKS]
    next_month_ms = budgets.now()[0].to_ms
    sent(any_store, DEVICE, next_month_ms, 900)
    assert warden.work(next_month_ms) == 2
    with any_store.read() as session:
        decoded = [events.decode(body) for body in session.scalars(select(OutboxRow.event))]
        assert session.scalars(select(OutboxRow.topic)).first() == "mirage/v1/acme/north/jetson-1/-/event"
    told = [event.data.percent for event in decoded if isinstance(event, BudgetReached)]
    assert told == [70, 90, 100, 70, 90]


def test_two_processes_tell_a_mark_once(any_store: Store, budgets: Budgets, settings: UsageSettings) -> None:
    budgets.set("acme", 10)
    sent(any_store, DEVICE, NOW_MS, 100)
    wardens = [Warden(any_store, settings, Telling(settings, events=True)) for _ in range(3)]
    threads = [threading.Thread(target=each.work, args=(NOW_MS,), name="warden") for each in wardens]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with any_store.read() as session:
        assert len(session.scalars(select(BudgetAlertRow)).all()) == 3
        assert len(session.scalars(select(OutboxRow)).all()) == 3


def test_a_budget_that_goes_takes_its_alerts_along(
    budgets: Budgets, any_store: Store, warden: Warden
) -> None:
    budgets.set(DEVICE, 10)
    sent(any_store, DEVICE, NOW_MS, 100)
    warden.work(NOW_MS)
    budgets.remove(DEVICE)
    assert budgets.now() == []
    with any_store.read() as session:
        assert session.scalars(select(BudgetAlertRow)).all() == []
    with pytest.raises(BudgetError, match="has no budget"):
        budgets.remove(DEVICE)


@pytest.mark.parametrize(
    ("place", "size", "day"),
    [("Acme", 1, 1), ("a/b/c/d", 1, 1), ("a//c", 1, 1), ("a", 0, 1), ("a", 2**53, 1), ("a", 1, 29)],
)
def test_a_budget_that_cannot_be_is_refused(
    store: Store, settings: UsageSettings, place: str, size: int, day: int
) -> None:
    with pytest.raises(BudgetError):
        Budgets(store, settings).set(place, size, day)


def test_the_end_of_the_month_is_forecast_from_days_before(budgets: Budgets, any_store: Store) -> None:
    budgets.set(DEVICE, 10_000)
    for day in range(1, 40):
        sent(any_store, DEVICE, NOW_MS - day * DAY_MS, 100)
    (now,) = budgets.now()
    assert now.forecast is not None
    left = (now.to_ms - NOW_MS) / DAY_MS
    assert now.forecast.expected == pytest.approx(now.used + 100 * left, abs=1)
    assert now.forecast.method == "weekdays"


def test_the_fleet_says_what_each_device_sent_and_costs(
    any_store: Store, budgets: Budgets, settings: UsageSettings
) -> None:
    budgets.set(DEVICE, 2_000_000)
    sent(any_store, DEVICE, NOW_MS - DAY_MS, 1_000_000)
    sent(any_store, DEVICE, NOW_MS, 500_000)
    sent(any_store, "acme/north/other", NOW_MS, 1)
    with any_store.write() as session:
        gathering = Gathering()
        gathering.add(DEVICE, NOW_MS, Amount(numbers={"h265": 9_000_000, "h265_of": 1_000}))
        gathering.write(session)
    first, second = FleetUsage(any_store, settings, lambda: NOW_MS).fleet(NOW_MS)
    assert (first.device, first.bytes_today, first.bytes_period) == (DEVICE, 500_000, 1_500_000)
    assert (first.share, first.cost, first.ratio) == (0.75, 3.0, 9000.0)
    assert (second.share, second.budget, second.ratio) == (None, None, None)


def test_an_odd_hour_is_told_once(any_store: Store, warden: Warden) -> None:
    from cloud.schema import DeviceRow

    hour_ms = NOW_MS - 2 * HOUR_MS
    with any_store.write() as session:
        session.add(DeviceRow(tenant="acme", site="north", name="jetson-1", seen_ms=0))
        gathering = Gathering()
        for hours in range(1, 4 * 168):
            gathering.add(DEVICE, hour_ms - hours * HOUR_MS, Amount({"gate": [100_000]}))
        gathering.add(DEVICE, hour_ms, Amount({"gate": [900_000]}))
        gathering.write(session)
    assert [warden.look_at_hour(hour_ms, NOW_MS), warden.look_at_hour(hour_ms, NOW_MS)] == [1, 0]
    with any_store.read() as session:
        row = session.scalars(select(UsageAnomalyRow)).one()
        assert (row.bytes, row.expected) == (900_000, 100_000)
        event = events.decode(session.scalars(select(OutboxRow.event)).one())
    assert isinstance(event, UsageUnusual)
    assert event.data.place == DEVICE


@contextmanager
def listening(statuses: list[int]) -> Iterator[tuple[str, list[bytes]]]:
    """Run a webhook that answers so; give its URL and what came."""
    came = list[bytes]()

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(statuses.pop(0))
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class's name
            pass

    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        thread = threading.Thread(target=server.serve_forever, name="hook")
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/hook", came
        finally:
            server.shutdown()
            thread.join()


def test_the_webhook_is_called_until_it_takes_what_happened(any_store: Store) -> None:
    with listening([500, 204]) as (url, came):
        settings = UsageSettings(webhook=url)
        Budgets(any_store, settings, lambda: NOW_MS).set("", 10)
        sent(any_store, DEVICE, NOW_MS, 7)
        Warden(any_store, settings, Telling(settings, events=True)).work(NOW_MS)
        caller = Caller(any_store, settings)
        assert [caller.work(NOW_MS), caller.work(NOW_MS + 1)] == [1, 0]
        assert caller.work(NOW_MS + PAUSES_MS[0]) == 1
    assert came[0] == came[1]
    told = json.loads(came[0])
    assert (told["type"], told["data"]["percent"]) == ("mirage.budget.reached", 70)
    with any_store.read() as session:
        assert session.scalars(select(UsageCallRow)).all() == []
        assert session.scalars(select(OutboxRow)).all() == []  # of the whole fleet there is no topic


def test_a_webhook_that_takes_its_time_leaves_some_to_the_rest_of_the_duty(any_store: Store) -> None:
    with listening([204, 204, 204]) as (url, came):
        settings = UsageSettings(webhook=url)
        Budgets(any_store, settings, lambda: NOW_MS).set("", 10)
        sent(any_store, DEVICE, NOW_MS, 10)
        Warden(any_store, settings, Telling(settings, events=False)).work(NOW_MS)
        now_ms = iter(range(NOW_MS, NOW_MS + 100 * ROUND_MS, ROUND_MS // 4))  # at each look
        caller = Caller(any_store, settings, clock=lambda: next(now_ms))
        assert [caller.work(NOW_MS), len(came)] == [2, 2]
        assert caller.work(NOW_MS) == 1
