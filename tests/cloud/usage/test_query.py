"""What was sent, asked of the sums, from the code and over HTTP."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from fastapi import FastAPI

from cloud import problems
from cloud.access.asks import Asks
from cloud.access.door import Asker, Pass
from cloud.access.guard import Guard
from cloud.access.origin import origin_of
from cloud.access.roles import Caller, Role, Scope
from cloud.config_usage import UsageSettings
from cloud.schema import UsageRecordRow
from cloud.store import Store
from cloud.usage.budgets import Budgets
from cloud.usage.export import Reports
from cloud.usage.periods import DAY_MS, Grain, Period
from cloud.usage.pruning import prune
from cloud.usage.query import Usage, spent
from cloud.usage.routes import usage_routes
from cloud.usage.sums import Amount, Gathering
from tests.cloud.usage.reporting import (
    BOOT_MS,
    HOUR_MS,
    Reporter,
    camera,
    minute,
    own,
    remark,
    reporter,
    sums,
)
from tests.cloud.web import serving
from wire.bundle import Bundle
from wire.spent import Codec, Sample

DEVICE = "acme/north/jetson-1"
SETTINGS = UsageSettings(price_per_mb=0.5)


@pytest.fixture
def edge(any_store: Store, bundle: Bundle) -> Reporter:
    return reporter(any_store, bundle)


@pytest.fixture
def usage(any_store: Store) -> Usage:
    return Usage(any_store, SETTINGS)


def test_totals_add_up_by_layer_kind_and_camera(edge: Reporter, usage: Usage) -> None:
    edge.say(minute(60, own(30, 40, 50), camera(0, 12, 9, 4, 200, 0, 60, 80, 5)))
    size = edge.send(70)
    edge.count(80)
    for place in ("", "acme", "acme/north", DEVICE):
        found = usage.totals(place, BOOT_MS, BOOT_MS + HOUR_MS)
        assert found.layers == {
            "telemetry": 30, "mqtt": 100, "transport": 130, "header": 12, "caption": 9, "motion": 4,
            "appearance-tokens": 200, "resent": 5,
        }  # fmt: skip
        assert found.kinds == {"payload": 255, "mqtt": 100, "transport": 130, "resent": 5}
        assert (found.bytes, found.payload, found.received) == (490, 225, size)
    assert found.cameras == {"gate": 370}
    assert found.cost == 490 * 0.5 / 1_000_000
    assert usage.totals(DEVICE, BOOT_MS + HOUR_MS, BOOT_MS + 2 * HOUR_MS).bytes == 0


def test_ratios_compare_with_what_was_sent_while_samples_were_known(edge: Reporter, usage: Usage) -> None:
    edge.say(minute(60, own(100)))
    edge.count(62)
    edge.say(remark(70, Sample(0, Codec.H265, 10, 20_000, 2_000_000, 1000, 28, 5)))
    edge.say(minute(120, own(50)))
    edge.count(130)
    found = usage.totals(DEVICE, BOOT_MS, BOOT_MS + HOUR_MS)
    assert found.ratio_h265 == 100_000 * 60 / 50  # 100 kB/s, for a minute
    assert found.ratio_h264 is None
    assert found.ratio_raw == 1280 * 720 * 3 * 10 * 120 / 150


def test_a_series_is_stacked_by_layer_in_minutes_hours_days_and_months(edge: Reporter, usage: Usage) -> None:
    edge.say(minute(60, camera(0, 0, 10)), minute(120, camera(0, 0, 20)), minute(3660, camera(0, 0, 40)))
    edge.count(3700)
    span = (BOOT_MS, BOOT_MS + DAY_MS)
    for place in ("", DEVICE):
        minutes = usage.series(place, *span, Grain.MINUTE)
        assert [(point.start_ms - BOOT_MS, point.layers) for point in minutes] == [
            (0, {"caption": 10}), (60_000, {"caption": 20}), (HOUR_MS, {"caption": 40}),
        ]  # fmt: skip
        hours = usage.series(place, *span, Grain.HOUR)
        assert [point.bytes for point in hours] == [30, 40]
        assert [point.bytes for point in usage.series(place, 0, 2**47, Grain.MONTH)] == [70]
    assert usage.series("acme/other", *span, Grain.HOUR) == []


def test_those_who_send_most_come_first(any_store: Store, usage: Usage) -> None:
    with any_store.write() as session:
        gathering = Gathering()
        for name, size in (("a", 100), ("b", 700), ("c", 200)):
            gathering.add(f"acme/north/{name}", BOOT_MS, Amount({"gate": [size]}))
        gathering.add("other/north/d", BOOT_MS, Amount({"gate": [9000]}))
        gathering.write(session)
    found = usage.top("acme", BOOT_MS, BOOT_MS + HOUR_MS, 2)
    assert [(each.place, each.bytes, each.share) for each in found] == [
        ("acme/north/b", 700, 0.7), ("acme/north/c", 200, 0.2),
    ]  # fmt: skip


@pytest.mark.parametrize("hours", [1, 13, 24, 60, 200])
def test_any_time_is_covered_once(store: Store, hours: int) -> None:
    """An hour of each size is a bit, so that each is seen to count exactly once."""
    with store.write() as session:
        gathering = Gathering()
        for number in range(hours):
            gathering.add(DEVICE, BOOT_MS + number * HOUR_MS, Amount({"gate": [1 << (number % 40)]}))
        gathering.write(session)
    with store.read() as session:
        for first in range(0, hours, 7):
            for end in range(first + 1, hours + 1, 11):
                period = Period(BOOT_MS + first * HOUR_MS, BOOT_MS + end * HOUR_MS)
                wanted = sum(1 << (number % 40) for number in range(first, end))
                assert spent(session, period) == {DEVICE: wanted}


def test_old_sums_go_and_months_stay(edge: Reporter) -> None:
    store = edge.desk.store
    edge.say(minute(60, own(10)))
    edge.say(minute(3660, own(20)))
    edge.count(3700)
    now_ms = BOOT_MS + 49 * HOUR_MS
    assert prune(store, SETTINGS, now_ms) > 0
    assert edge.desk.count(UsageRecordRow) == 1
    assert len(sums(store, "", Grain.MINUTE)) == 1
    prune(store, SETTINGS, now_ms + DAY_MS)
    assert edge.desk.count(UsageRecordRow) == 0
    assert len(sums(store, DEVICE, Grain.HOUR)) == 2
    prune(store, SETTINGS, BOOT_MS + 91 * DAY_MS)
    assert sums(store, DEVICE, Grain.HOUR) == {}
    assert len(sums(store, DEVICE, Grain.DAY)) == 1
    prune(store, SETTINGS, BOOT_MS + 1200 * DAY_MS)
    assert sums(store, DEVICE, Grain.DAY) == {}
    assert list(sums(store, DEVICE, Grain.MONTH).values()) == [{"": [30]}]
    assert prune(store, SETTINGS, BOOT_MS + 1200 * DAY_MS) == 0


def application(store: Store, now_ms: int) -> FastAPI:
    app, usage = FastAPI(), Usage(store, SETTINGS)
    problems.install(app, {})
    budgets = Budgets(store, SETTINGS, lambda: now_ms)
    app.include_router(usage_routes(usage, budgets, Reports(store, usage), lambda: now_ms))
    return app


@dataclass(frozen=True)
class OtherDoor:
    """Takes everyone for one caller."""

    caller: Caller

    async def admit(self, asker: Asker) -> Pass:
        return Pass(self.caller, origin_of(asker.peer, asker.scheme, asker.headers, ()))

    async def still(self, passed: Pass) -> bool:
        return passed.caller is self.caller


@pytest.fixture
def http(store: Store, bundle: Bundle) -> Iterator[httpx.Client]:
    edge = reporter(store, bundle)
    edge.say(minute(60, own(30), camera(0, 0, 70)))
    edge.count(80)
    with serving(application(store, BOOT_MS + HOUR_MS)) as client:
        yield client


def test_programs_ask_for_totals_series_and_talkers(http: httpx.Client) -> None:
    found = http.get("/api/v1/usage", params={"device": DEVICE}).json()
    assert (found["bytes"], found["cameras"]) == (100, {"gate": 70})
    (point,) = http.get("/api/v1/usage/series", params={"grain": "hour"}).json()
    assert point["layers"] == {"telemetry": 30, "caption": 70}
    (talker,) = http.get("/api/v1/usage/top", params={"tenant": "acme"}).json()
    assert (talker["place"], talker["share"]) == (DEVICE, 1.0)
    assert http.get("/api/v1/usage/unusual").json() == []


def test_usage_is_exported_as_csv_and_json(http: httpx.Client) -> None:
    answer = http.get("/api/v1/usage/export.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    (row,) = csv.DictReader(io.StringIO(answer.text))
    (same,) = http.get("/api/v1/usage/export.json").json()
    assert row == {name: "" if value is None else str(value) for name, value in same.items()}
    assert (row["device"], row["bytes"], row["cost"], row["currency"]) == (DEVICE, "100", "5e-05", "EUR")


def test_budgets_are_put_listed_and_deleted(http: httpx.Client) -> None:
    wanted = {"place": DEVICE, "bytes_per_month": 400}
    assert http.put("/api/v1/budgets", json=wanted).json() == wanted | {"billing_day": 1}
    (found,) = http.get("/api/v1/budgets").json()
    assert (found["used"], found["share"], found["forecast"]) == (100, 0.25, None)
    assert http.delete("/api/v1/budgets", params={"place": DEVICE}).status_code == 204
    assert http.delete("/api/v1/budgets", params={"place": DEVICE}).status_code == 404
    refused = http.put("/api/v1/budgets", json={"place": "a/b/c/d", "bytes_per_month": 1})
    assert (refused.status_code, refused.json()["type"]) == (409, "/api/v1/problems/impossible-budget")


@pytest.mark.parametrize("path", ["usage", "usage/series", "usage/export.json"])
def test_a_time_that_ends_before_it_begins_is_refused(http: httpx.Client, path: str) -> None:
    answer = http.get(f"/api/v1/{path}", params={"from_ms": 5, "to_ms": 5})
    assert (answer.status_code, answer.json()["type"]) == (400, "/api/v1/problems/empty-time")


def test_a_token_sees_its_tenant_only(store: Store, bundle: Bundle) -> None:
    edge = reporter(store, bundle)
    edge.say(minute(60, own(30)))
    edge.count(80)
    Budgets(store, SETTINGS).set("", 100)
    Budgets(store, SETTINGS).set("other", 100)
    caller = Caller("other", Role.OPERATOR, Scope.parse("other"))
    app = Guard(application(store, BOOT_MS + HOUR_MS), OtherDoor(caller), Asks(None), ())
    with serving(app) as http:
        for params in ({}, {"tenant": "acme"}, {"device": DEVICE}):
            assert http.get("/api/v1/usage", params=params).status_code == 404
        assert http.get("/api/v1/usage", params={"tenant": "other"}).json()["bytes"] == 0
        assert [each["place"] for each in http.get("/api/v1/budgets").json()] == ["other"]
        for place in ("", "acme"):
            wanted = {"place": place, "bytes_per_month": 1}
            assert http.put("/api/v1/budgets", json=wanted).status_code == 404
            assert http.delete("/api/v1/budgets", params={"place": place}).status_code == 404
