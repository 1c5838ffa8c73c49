"""Search as programs use it."""

from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI

from cloud.search import Search
from cloud.search_routes import search_routes
from cloud.store import Store
from tests.bundles import CAPTIONS
from tests.cloud.desk import Desk
from tests.cloud.sample import BOOT_WALL_MS, Device
from tests.cloud.web import serving

CAMERA_ID = "acme/north/jetson-1/gate"


@pytest.fixture
def app(store: Store) -> FastAPI:
    made = FastAPI()
    made.include_router(search_routes(Search(store)))
    return made


@pytest.fixture
def http(app: FastAPI, desk: Desk, device: Device) -> Iterator[httpx.Client]:
    desk.birth(device)
    for caption in CAPTIONS:
        desk.sem(device, device.packet(caption))
    with serving(app) as client:
        yield client


def find(http: httpx.Client, q: str, **more: str | int) -> httpx.Response:
    return http.get("/api/v1/search", params={"q": q, **more})


def test_what_is_found_says_what_where_and_when_and_how_it_looks(http: httpx.Client) -> None:
    answer = find(http, '"red car"', camera=CAMERA_ID, from_ms=BOOT_WALL_MS, to_ms=BOOT_WALL_MS + 1)
    assert answer.status_code == 200
    (hit,) = answer.json()["results"]
    assert hit["thumbnail"] == f"/api/v1/segments/{hit['segment']['id']}/thumb.jpg"
    assert (hit["segment"]["caption"], hit["segment"]["camera"]) == (CAPTIONS[0], CAMERA_ID)
    assert (hit["segment"]["start_ms"], hit["segment"]["duration_ms"]) == (BOOT_WALL_MS, 1_000)
    assert answer.json()["cursor"] is None


def test_pages_are_turned_by_cursor(http: httpx.Client) -> None:
    found, cursor = list[str](), None
    for _ in range(3):
        more: dict[str, str] = {} if cursor is None else {"cursor": cursor}
        page = find(http, "to the", limit=1, **more).json()
        found += [hit["segment"]["caption"] for hit in page["results"]]
        cursor = page["cursor"]
    assert (found, cursor) == ([CAPTIONS[4], CAPTIONS[1], CAPTIONS[0]], None)
    closest = find(http, "the right", order="closest", limit=1).json()["results"]
    assert [hit["segment"]["caption"] for hit in closest] == [CAPTIONS[1]]


@pytest.mark.parametrize(
    ("more", "status", "error"),
    [
        pytest.param({"camera": "acme/north/x"}, 404, "no camera 'acme/north/x'", id="camera"),
        pytest.param({"site": "acme/x"}, 404, "no site 'acme/x'", id="site"),
        pytest.param({"cursor": "7-x"}, 400, "cursor '7-x' is none that a page gave", id="cursor"),
    ],
)
def test_what_cannot_be_answered_says_why(
    http: httpx.Client, more: dict[str, str], status: int, error: str
) -> None:
    answer = find(http, "car", **more)
    assert (answer.status_code, answer.json()["detail"]) == (status, error)


@pytest.mark.parametrize(
    "more", [{"q": ""}, {"q": "x" * 201}, {"limit": 0}, {"limit": 101}, {"order": "best"}, {"from_ms": -1}]
)
def test_what_is_out_of_bounds_is_refused(http: httpx.Client, more: dict[str, str | int]) -> None:
    assert http.get("/api/v1/search", params={"q": "car", **more}).status_code == 422


def test_it_is_documented_with_examples_that_are_true(http: httpx.Client, app: FastAPI) -> None:
    described = app.openapi()["paths"]["/api/v1/search"]["get"]
    assert {"200", "400", "404"} <= set(described["responses"])
    example = described["responses"]["200"]["content"]["application/json"]["example"]
    (found,) = find(http, "boat").json()["results"]
    shown = example["results"][0]
    assert found.keys() == shown.keys()
    assert {name for name, value in found["segment"].items() if value is not None} <= shown["segment"].keys()
    assert shown["segment"].keys() <= found["segment"].keys()
    parameters = {each["name"]: each["schema"] for each in described["parameters"]}
    (asked,) = parameters["q"]["examples"]
    assert find(http, asked).status_code == 200
    assert find(http, "car", cursor=example["cursor"]).status_code == 200
