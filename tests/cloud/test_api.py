"""The HTTP interface, as programs use it."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cloud.api import Health, create_api
from cloud.bundles import Bundles
from cloud.objects import Objects
from cloud.serve import ServeError, listen
from cloud.store import Store
from cloud.terms import Terms
from cloud.viewing import Viewing
from cloud.worker import Worker
from tests.bundles import CAPTIONS
from tests.cloud.desk import NOW_MS, Desk
from tests.cloud.sample import BOOT_WALL_MS, Device, MeanRenderer
from tests.cloud.web import serving
from wire.bundle import Bundle
from wire.policy import Policy
from wire.telemetry import Alarm, Telemetry

CAMERA_ID = "acme/north/jetson-1/gate"


@pytest.fixture
def worker(store: Store, bundle: Bundle, tmp_path: Path) -> Worker:
    bundles = Bundles([bundle], lambda _bundle, _threads: MeanRenderer())
    objects = Objects(str(tmp_path / "objects"))
    return Worker(store, objects, bundles, Terms.of(Policy(long_side_px=64)), lambda: NOW_MS)


@pytest.fixture
def http(store: Store, tmp_path: Path) -> Iterator[httpx.Client]:
    viewing = Viewing(store, Objects(str(tmp_path / "objects")), lambda: NOW_MS)
    with serving(create_api(viewing, lambda: Health(ok=True, troubles={}, messages={}))) as client:
        yield client


@pytest.fixture
def filmed(desk: Desk, device: Device) -> Device:
    desk.birth(device)
    for number in range(3):
        desk.sem(device, device.packet(CAPTIONS[number]))
    return device


@pytest.mark.usefixtures("filmed")
def test_cameras_are_listed_with_what_they_sent(http: httpx.Client) -> None:
    (camera,) = http.get("/api/v1/cameras").json()
    assert camera["id"] == CAMERA_ID
    assert (camera["width"], camera["height"], camera["fps"]) == (1280, 720, 10.0)
    assert (camera["segments"], camera["state"]) == (3, "unknown")
    listed = http.get("/api/v1/segments", params={"camera": CAMERA_ID}).json()
    assert camera["bytes"] == sum(segment["bytes"] for segment in listed)


def test_devices_are_listed_with_what_they_said_of_themselves(
    http: httpx.Client, desk: Desk, filmed: Device
) -> None:
    (device,) = http.get("/api/v1/devices").json()
    assert (device["id"], device["state"], device["telemetry"]) == ("acme/north/jetson-1", "unknown", None)
    record = Telemetry(60, spool_packets=5, alarms=frozenset({Alarm.DISK_FULL}))
    topic = filmed.topics.telemetry
    desk.deliver(topic, filmed.envelope.wrap(bytes(record), topic))
    (device,) = http.get("/api/v1/devices").json()
    assert (device["telemetry"]["spool_packets"], device["telemetry"]["alarms"]) == (5, ["disk-full"])


@pytest.mark.usefixtures("filmed")
def test_segments_are_listed_newest_first_and_page_by_page(http: httpx.Client) -> None:
    def captions(**bounds: int) -> list[str]:
        answer = http.get("/api/v1/segments", params={"camera": CAMERA_ID, **bounds})
        return [segment["caption"] for segment in answer.json()]

    assert captions() == [CAPTIONS[2], CAPTIONS[1], CAPTIONS[0]]
    assert captions(limit=1) == [CAPTIONS[2]]
    assert captions(before_ms=BOOT_WALL_MS + 2_000) == [CAPTIONS[1], CAPTIONS[0]]
    assert captions(after_ms=BOOT_WALL_MS + 1_000) == [CAPTIONS[2]]


@pytest.mark.usefixtures("filmed")
def test_a_clip_is_made_when_someone_asks_for_it(http: httpx.Client, worker: Worker) -> None:
    answer = http.get("/api/v1/clips/2.mp4")
    assert (answer.status_code, answer.json()) == (202, {"render": "queued"})
    assert answer.headers["Retry-After"] == "1"
    assert worker.work()
    answer = http.get("/api/v1/clips/2.mp4")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "video/mp4")
    assert answer.content[4:8] == b"ftyp"
    assert http.get("/api/v1/clips/2.jpg").headers["content-type"] == "image/jpeg"
    assert http.get("/api/v1/clips/2.json").json()["segment"] == 1
    segment = http.get("/api/v1/segments/2").json()
    assert segment["clip"]["video"] == "/api/v1/clips/2.mp4"


@pytest.mark.usefixtures("filmed")
def test_a_clip_is_served_in_ranges(http: httpx.Client, worker: Worker) -> None:
    http.post("/api/v1/segments/1/render")
    worker.work()
    whole = http.get("/api/v1/clips/1.mp4")
    part = http.get("/api/v1/clips/1.mp4", headers={"Range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, b"ftyp")
    assert part.headers["Content-Range"] == f"bytes 4-7/{len(whole.content)}"
    beyond = http.get("/api/v1/clips/1.mp4", headers={"Range": "bytes=99999999-"})
    assert (beyond.status_code, beyond.headers["Content-Range"]) == (416, f"bytes */{len(whole.content)}")
    other = http.get("/api/v1/clips/1.mp4", headers={"Range": "bytes=4-7", "If-Range": '"another"'})
    assert other.status_code == 200
    head = http.head("/api/v1/clips/1.mp4")
    assert head.headers["Content-Length"] == str(len(whole.content))
    same = http.get("/api/v1/clips/1.mp4", headers={"If-None-Match": whole.headers["ETag"]})
    assert (same.status_code, same.content) == (304, b"")


@pytest.mark.usefixtures("filmed")
def test_a_clip_whose_file_is_gone_is_made_again(http: httpx.Client, worker: Worker, tmp_path: Path) -> None:
    http.post("/api/v1/segments/1/render")
    worker.work()
    for path in (tmp_path / "objects").rglob("*.mp4"):
        path.unlink()
    assert http.get("/api/v1/clips/1.mp4").status_code == 202
    assert worker.work()
    assert http.get("/api/v1/clips/1.mp4").status_code == 200


def test_a_failed_clip_says_why_and_may_be_tried_again(
    http: httpx.Client, worker: Worker, desk: Desk, device: Device
) -> None:
    desk.birth(device)
    device.packet()
    desk.sem(device, device.packet(CAPTIONS[0]))
    http.post("/api/v1/segments/1/render")
    worker.work()
    answer = http.get("/api/v1/clips/1.mp4")
    assert answer.status_code == 422
    assert answer.json()["detail"] == "packet 1 repeats what an earlier one said, which is not here"
    assert http.post("/api/v1/segments/1/render").json()["render"] == "queued"


@pytest.mark.usefixtures("filmed")
def test_a_clip_that_is_not_wanted_any_more_is_cancelled_until_asked_for_again(
    http: httpx.Client, worker: Worker
) -> None:
    http.post("/api/v1/segments/1/render")
    answer = http.delete("/api/v1/segments/1/render")
    assert (answer.status_code, answer.json()["render"]) == (200, "cancelled")
    assert not worker.work()
    answer = http.get("/api/v1/clips/1.mp4")
    assert (answer.status_code, answer.json()["render"]) == (404, "cancelled")
    assert not worker.work(), "looking does not ask for it again"
    assert http.post("/api/v1/segments/1/render").json()["render"] == "queued"
    assert worker.work()
    assert http.delete("/api/v1/segments/1/render").json()["render"] == "done", "it is there"
    assert http.get("/api/v1/clips/1.mp4").status_code == 200


def test_nothing_is_cancelled_where_there_is_no_segment(http: httpx.Client) -> None:
    assert http.delete("/api/v1/segments/99/render").status_code == 404


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/segments?camera=acme/north/jetson-1/none", 404),
        ("/api/v1/segments?camera=", 404),
        ("/api/v1/segments", 422),
        (f"/api/v1/segments?camera={CAMERA_ID}&limit=0", 422),
        (f"/api/v1/segments?camera={CAMERA_ID}&before_ms={10**30}", 422),
        ("/api/v1/segments/99", 404),
        ("/api/v1/segments/first", 422),
        (f"/api/v1/segments/{10**30}", 422),
        ("/api/v1/clips/99.mp4", 404),
        ("/api/v1/clips/99.json", 404),
        ("/api/v1/clips/..%2f..%2fstore.db", 404),
        ("/api/v1/nothing", 404),
    ],
)
@pytest.mark.usefixtures("filmed")
def test_a_wrong_address_is_an_error_not_a_crash(http: httpx.Client, path: str, status: int) -> None:
    assert http.get(path).status_code == status


def test_health_is_told_by_the_status(store: Store, tmp_path: Path) -> None:
    sick = Health(ok=False, troubles={"broker": "cannot be reached"}, messages={})
    app = create_api(Viewing(store, Objects(str(tmp_path / "objects"))), lambda: sick)
    with serving(app) as client:
        answer = client.get("/healthz")
    assert answer.status_code == 503
    assert answer.json()["troubles"] == {"broker": "cannot be reached"}


def test_an_address_that_is_taken_is_named() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServeError, match=f"127.0.0.1:{port}: .*in use"):
            listen("127.0.0.1", port)
