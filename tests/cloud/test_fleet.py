"""Every device at once: what lists, exports and the page's rows say of it."""

import csv
import io
import time
from dataclasses import replace

import pytest
from fastapi import FastAPI
from sqlalchemy import insert, update

from cloud.access.asks import Asks
from cloud.access.door import Asker, Pass
from cloud.access.guard import Guard
from cloud.access.origin import origin_of
from cloud.access.roles import Caller, Role, Scope
from cloud.config_usage import UsageSettings
from cloud.fleet import DeviceNow, Fleet
from cloud.fleet_routes import fleet_routes, to_csv
from cloud.page.fleet_panels import RANGES, Notice, Range, of_devices, series_of, top_talkers, totals
from cloud.page.fleet_rows import SEEN_MS, changes, row_of
from cloud.registry import table_of
from cloud.schema import DeviceRow, UsageRecordRow
from cloud.store import Store
from cloud.usage.budgets import Budgets
from cloud.usage.query import Point
from cloud.usage.sums import Amount, Gathering
from tests.cloud.fleet_stock import STATES, name_of, stock
from tests.cloud.web import serving

NOW_MS = 1_790_000_000_000
SETTINGS = UsageSettings(price_per_mb=2.0)


def fleet_of(store: Store, count: int = 12) -> Fleet:
    stock(store, count, NOW_MS)
    return Fleet(store, SETTINGS, lambda: NOW_MS)


def test_all_devices_come_with_all_that_is_known(any_store: Store) -> None:
    devices = fleet_of(any_store).look()
    assert [device.id for device in devices] == sorted(map(name_of, range(12)))
    eleventh = next(device for device in devices if device.name == "cam-0011")
    assert (eleventh.state, eleventh.bytes_per_s) == (STATES[11 % len(STATES)], 11.0)
    assert (eleventh.firmware, eleventh.bundle, eleventh.cameras) == ("mirage 0.2.0", "tiny", 1)
    assert (eleventh.spool_packets, eleventh.spool_bytes, eleventh.spool_age_s) == (4, 1200, 16)
    assert (eleventh.received_bytes, eleventh.alarms) == (11_000, ())
    assert eleventh.share is eleventh.budget is None
    assert next(device for device in devices if device.name == "cam-0010").alarms == ("disk-full",)


def test_days_budgets_and_costs_are_those_of_the_sums(any_store: Store) -> None:
    fleet, name = fleet_of(any_store), name_of(3)
    gathering = Gathering()
    gathering.add(name, NOW_MS, Amount({"gate": [0, 500_000]}, {"h265": 9_000_000, "h265_of": 450_000}))
    with any_store.write() as session:
        gathering.write(session)
    Budgets(any_store, SETTINGS, lambda: NOW_MS).set(name, 1_000_000)
    third = next(device for device in fleet.look() if device.id == name)
    assert (third.bytes_today, third.budget, third.share) == (500_000, 1_000_000, 0.5)
    assert (third.ratio, third.cost) == (20.0, 1.0)


def test_a_device_that_said_nothing_yet_is_listed(any_store: Store) -> None:
    with any_store.write() as session:
        row = {"id": 1, "tenant": "acme", "site": "north", "name": "new", "seen_ms": NOW_MS}
        session.execute(insert(table_of(DeviceRow)), [row])
    (device,) = Fleet(any_store, SETTINGS, lambda: NOW_MS).look()
    assert (device.id, device.state, device.firmware) == ("acme/north/new", "unknown", "")


def test_who_looks_at_the_same_time_shares_a_look(store: Store) -> None:
    fleet = fleet_of(store)
    assert fleet.devices() is fleet.devices()


def test_the_list_and_the_csv_say_the_same(store: Store) -> None:
    app = FastAPI()
    app.include_router(fleet_routes(fleet_of(store)))
    with serving(app) as client:
        listed = client.get("/api/v1/fleet").json()
        answer = client.get("/api/v1/fleet.csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert answer.headers["content-type"].startswith("text/csv")
    assert "fleet.csv" in answer.headers["content-disposition"]
    assert [row["id"] for row in rows] == [device["id"] for device in listed]
    assert rows[0].keys() == listed[0].keys()
    assert {row["alarms"] for row in rows} == {"", "disk-full"}


@pytest.mark.parametrize("firmware", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1"])
def test_no_device_puts_a_formula_into_a_spreadsheet(store: Store, firmware: str) -> None:
    device = replace(fleet_of(store, 1).look()[0], firmware=firmware)
    (row,) = csv.DictReader(io.StringIO(to_csv([device])))
    assert row["firmware"] == f"'{firmware}"


def test_only_what_has_changed_is_sent_to_a_table(store: Store) -> None:
    devices = fleet_of(store).look()
    before = {str(row["id"]): row for row in map(row_of, devices)}
    assert not changes(before, list(map(row_of, devices)))
    louder = replace(devices[0], bytes_per_s=77.0)
    found = changes(before, [row_of(louder), *map(row_of, devices[1:-1])])
    assert [row["id"] for row in found.update] == [louder.id]
    assert found.remove == [{"id": devices[-1].id}]
    assert found.add == []
    assert [row["id"] for row in changes({}, [row_of(louder)]).add] == [louder.id]


def test_a_sign_of_life_each_second_is_not_news_each_second(store: Store) -> None:
    device = replace(fleet_of(store, 1).look()[0], seen_ms=NOW_MS - NOW_MS % SEEN_MS)
    assert row_of(device) == row_of(replace(device, seen_ms=device.seen_ms + SEEN_MS - 1))
    assert row_of(device) != row_of(replace(device, seen_ms=device.seen_ms + SEEN_MS))
    assert row_of(replace(device, bytes_per_s=12.3449))["bytes_per_s"] == 12.3


def test_totals_and_top_talkers_add_up(store: Store) -> None:
    devices = fleet_of(store).look()
    tiles = {name: value for value, name, _ in totals(devices, None)}
    assert (tiles["online"], tiles["lost"], tiles["with alarms"]) == ("8", "2", "2")
    assert tiles["now"] == "66 B/s"
    assert [device.name for device in top_talkers(devices, 2)] == ["cam-0011", "cam-0010"]


def test_budgets_are_told_from_seventy_percent_on_the_worst_first(store: Store) -> None:
    shares = (0.69, 0.7, 1.2, None)
    devices: list[DeviceNow] = [
        replace(device, share=share) for device, share in zip(fleet_of(store, 4).look(), shares, strict=True)
    ]
    told = of_devices(devices)
    assert told == [Notice(devices[2].id, "120 %", 1.2), Notice(devices[1].id, "70 %", 0.7)]


def test_a_budget_that_will_not_last_is_told_before_it_is_used(store: Store) -> None:
    early, late, safe = (
        replace(device, budget=1000, share=share, forecast=forecast)
        for device, share, forecast in zip(
            fleet_of(store, 3).look(), (0.3, 0.75, 0.3), (1400, 1100, 900), strict=True
        )
    )
    assert [(each.place, each.text) for each in of_devices([early, late, safe])] == [
        (late.id, "75 % → 110 %"),
        (early.id, "30 % → 140 %"),
    ]
    assert [row_of(device)["ahead"] for device in (early, late, safe)] == [1.4, 1.1, 0.9]
    assert row_of(replace(safe, budget=None, forecast=None))["ahead"] is None


def test_a_chart_stacks_layers_in_one_order() -> None:
    points = [Point(0, 30, {"transport": 10, "caption": 20}), Point(120_000, 7, {"new-layer": 7})]
    series = series_of(points, range(0, 180_000, 60_000))
    assert [each["name"] for each in series] == ["caption", "transport", "new-layer"]
    assert series[0]["data"] == [[0, 20], [60_000, 0], [120_000, 0]]
    assert {each["stack"] for each in series} == {"bytes"}


@pytest.mark.parametrize("wanted", RANGES)
def test_bars_are_those_of_the_sums(wanted: Range) -> None:
    bars = wanted.bars(NOW_MS)
    assert all(wanted.grain.start_ms(at_ms) == at_ms for at_ms in bars)
    assert bars[0] > NOW_MS - wanted.back_ms
    assert bars[-1] == wanted.grain.start_ms(NOW_MS)


def test_a_device_that_has_just_begun_is_no_top_talker(store: Store) -> None:
    stock(store, 2, NOW_MS)
    with store.write() as session:
        session.execute(update(UsageRecordRow).values(span_s=1, bytes=1200))
    assert [device.bytes_per_s for device in Fleet(store, SETTINGS, lambda: NOW_MS).look()] == [20.0, 20.0]


def test_a_thousand_devices_are_looked_at_in_a_few_statements(store: Store) -> None:
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    fleet, statements = fleet_of(store, 1000), list[str]()

    def count(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(Engine, "before_cursor_execute", count)
    try:
        assert len(fleet.look()) == 1000
    finally:
        event.remove(Engine, "before_cursor_execute", count)
    assert len(statements) < 12


class SiteDoor:
    """Takes everyone for a viewer of one site."""

    caller = Caller("north", Role.VIEWER, Scope.parse("acme/site-03"))

    async def admit(self, asker: Asker) -> Pass:
        return Pass(self.caller, origin_of(asker.peer, asker.scheme, asker.headers, ()))

    async def still(self, passed: Pass) -> bool:
        return passed.caller is self.caller


def test_whoever_has_a_site_gets_its_devices_only(store: Store) -> None:
    app = FastAPI()
    app.include_router(fleet_routes(fleet_of(store, 40)))
    with serving(Guard(app, SiteDoor(), Asks(None), ())) as client:
        listed = client.get("/api/v1/fleet").json()
        table = list(csv.DictReader(io.StringIO(client.get("/api/v1/fleet.csv").text)))
    assert [device["id"] for device in listed] == [name_of(3), name_of(23)]
    assert [row["id"] for row in table] == [name_of(3), name_of(23)]


def test_the_clock_of_the_store_is_the_wall_by_default(store: Store) -> None:
    stock(store, 2, time.time_ns() // 1_000_000)
    assert [device.bytes_per_s for device in Fleet(store, SETTINGS).look()] == [0.0, 1.0]
