"""Alerts as programs use them."""

from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI

from cloud.alert_routes import alert_routes
from cloud.alerts.book import Book
from cloud.config_events import Events
from cloud.event_routes import event_routes
from cloud.store import Store
from tests.cloud.alerts.lookout import HOOK, HOOKS, Lookout
from tests.cloud.web import serving
from wire.bundle import Bundle

CAR = {"name": "Cars", "query": "car", "cooldown_s": 0}


@pytest.fixture
def lookout(any_store: Store, bundle: Bundle) -> Lookout:
    return Lookout(any_store, bundle, Events(enabled=True))


@pytest.fixture
def http(any_store: Store, lookout: Lookout) -> Iterator[httpx.Client]:
    app = FastAPI()
    app.include_router(alert_routes(Book(any_store, HOOKS, lambda: lookout.now_ms)))
    app.include_router(event_routes(any_store))
    with serving(app) as client:
        yield client


def made(http: httpx.Client, **more: object) -> int:
    answer = http.post("/api/v1/alerts", json={**CAR, **more})
    assert answer.status_code == 201, answer.text
    number = answer.json()["id"]
    assert isinstance(number, int)
    return number


def test_an_alert_is_made_listed_changed_and_removed(http: httpx.Client, lookout: Lookout) -> None:
    number = made(http, place="acme/north", hours="00:00-23:59", webhook=f"{HOOK}/x")
    one = http.get(f"/api/v1/alerts/{number}").json()
    assert (one["query"], one["place"], one["hours"], one["active"]) == (
        "car",
        "acme/north",
        "00:00-23:59",
        True,
    )
    lookout.say("a red car")
    (listed,) = http.get("/api/v1/alerts").json()
    assert listed == {"alert": one, "hits": 1, "last_ms": lookout.hits()[0].start_ms}
    changed = http.patch(f"/api/v1/alerts/{number}", json={"active": False, "hours": None})
    assert changed.status_code == 200
    assert changed.json() == {**one, "active": False, "hours": None, "changed_ms": lookout.now_ms}
    lookout.say("a blue car")
    assert len(lookout.hits()) == 1
    assert http.delete(f"/api/v1/alerts/{number}").status_code == 204
    assert http.get("/api/v1/alerts").json() == []
    assert http.get("/api/v1/alerts/hits").json() == {"results": [], "cursor": None}


def test_hits_are_turned_page_by_page_the_latest_seen_first(http: httpx.Client, lookout: Lookout) -> None:
    cars, men = made(http), made(http, name="Men", query="man")
    lookout.say("car 1", "a man", "car 2", "car 3")
    seen, cursor = list[str](), None
    while True:
        more: dict[str, str] = {} if cursor is None else {"cursor": cursor}
        page = http.get("/api/v1/alerts/hits", params={"limit": 3, **more}).json()
        seen += [hit["segment"]["caption"] for hit in page["results"]]
        cursor = page["cursor"]
        if cursor is None:
            break
    assert seen == ["car 3", "car 2", "a man", "car 1"]
    found = http.get("/api/v1/alerts/hits", params={"alert": men}).json()["results"]
    assert [(hit["alert"], hit["caption"]) for hit in found] == [(men, "a man")]
    assert len(http.get("/api/v1/alerts/hits", params={"alert": cars}).json()["results"]) == 3


def test_an_alert_is_tried_on_what_was_seen_before_it_is_made(http: httpx.Client, lookout: Lookout) -> None:
    lookout.say("car 1", "a man", "car 2", "car 3")
    lookout.say("car 4", camera="yard")
    tried = http.post("/api/v1/alerts/trial", json={**CAR, "cooldown_s": 3}).json()
    assert (tried["matched"], tried["raised"], tried["more"]) == (4, 3, False)
    assert [each["caption"] for each in tried["examples"]] == ["car 3", "car 4", "car 1"]
    assert http.get("/api/v1/alerts").json() == []
    elsewhere = http.post("/api/v1/alerts/trial", json={**CAR, "place": "acme/south"}).json()
    assert (elsewhere["matched"], elsewhere["examples"]) == (0, [])
    night = http.post("/api/v1/alerts/trial", json={**CAR, "hours": "22:00-06:00"}).json()
    assert night["matched"] == 0
    long_past = http.post("/api/v1/alerts/trial", params={"past_ms": 1}, json=CAR).json()
    assert long_past["matched"] == 0


def test_a_trial_finds_what_the_alert_then_raises(http: httpx.Client, lookout: Lookout) -> None:
    captions = ["car 1", "a man", "car 2", "car 3", "car 4", "car 5"]
    lookout.say(*captions)
    wanted = {**CAR, "query": "car -3", "cooldown_s": 2}
    tried = http.post("/api/v1/alerts/trial", json=wanted).json()
    made(http, **wanted)
    lookout.say(*captions)
    assert len(lookout.hits()) == tried["raised"] == 3


@pytest.mark.parametrize(
    ("more", "status", "reason"),
    [
        pytest.param({"query": "-rain"}, 409, "names no word", id="only exclusions"),
        pytest.param({"zone": "Mars"}, 409, "time zone 'Mars'", id="zone"),
        pytest.param({"place": "acme//x"}, 409, "place", id="place"),
        pytest.param({"webhook": "http://127.0.0.1/"}, 409, "alerts.webhooks", id="webhook"),
        pytest.param({"name": "Taken"}, 409, "taken by another", id="name"),
        pytest.param({"query": ""}, 422, "at least 1 character", id="no query"),
        pytest.param({"colour": "red"}, 422, "colour", id="unknown field"),
    ],
)
def test_an_alert_that_cannot_be_says_why(
    http: httpx.Client, more: dict[str, object], status: int, reason: str
) -> None:
    made(http, name="Taken")
    answer = http.post("/api/v1/alerts", json={**CAR, **more})
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert reason in answer.json()["detail"]
    number = made(http, name="Mine")
    changed = http.patch(f"/api/v1/alerts/{number}", json=more)
    assert (changed.status_code, reason in changed.json()["detail"]) == (status, True)


def test_what_is_not_there_is_named(http: httpx.Client) -> None:
    for method, path in (("GET", "99"), ("DELETE", "99"), ("PATCH", "99"), ("GET", "hits?alert=99")):
        answer = http.request(method, f"/api/v1/alerts/{path}", json={"active": True})
        assert (answer.status_code, answer.json()["detail"]) == (404, "no alert 99")
    answer = http.get("/api/v1/alerts/hits", params={"cursor": "x"})
    assert (answer.status_code, answer.json()["detail"]) == (400, "cursor 'x' is none that a page gave")


def test_events_are_counted(http: httpx.Client, lookout: Lookout) -> None:
    lookout.say("a red car")
    assert http.get("/api/v1/events").json() == {"waiting": 1, "published": 0, "dropped": 0}


def test_it_is_documented_with_examples_that_are_true(http: httpx.Client, lookout: Lookout) -> None:
    app = FastAPI()
    app.include_router(alert_routes(Book(lookout.store, HOOKS)))
    described = app.openapi()["paths"]["/api/v1/alerts/{alert_id}"]["get"]["responses"]["200"]
    example = described["content"]["application/json"]["example"]
    number = made(http, **{name: example[name] for name in ("name", "query", "place", "hours", "zone")})
    given = http.get(f"/api/v1/alerts/{number}").json()
    assert example.keys() == {name for name, value in given.items() if value is not None}
