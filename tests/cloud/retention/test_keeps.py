"""Intervals that are kept although their time is over. On both databases, and over HTTP."""

from collections.abc import Iterator

import httpx
import pytest
from sqlalchemy import select

from cloud.api import Health, create_api
from cloud.keep_routes import keep_routes
from cloud.retention import keeps as keeping
from cloud.retention.keeps import KeepError, Keeps
from cloud.schema import ClipRow
from cloud.viewing import Viewing
from tests.cloud.desk import NOW_MS
from tests.cloud.retention.archive import DAY_MS, Archive
from tests.cloud.sample import BOOT_WALL_MS
from tests.cloud.studio import CAMERA_ID
from tests.cloud.web import serving

URL = f"/api/v1/cameras/{CAMERA_ID}/keeps"


@pytest.fixture
def keeps(archive: Archive) -> Keeps:
    return Keeps(archive.store, lambda: archive.now_ms)


def test_what_is_kept_stays_with_its_group_and_its_clips(archive: Archive, keeps: Keeps) -> None:
    archive.record(3)
    archive.render(0, 4, 5)
    made = keeps.add(CAMERA_ID, BOOT_WALL_MS + 4_000, BOOT_WALL_MS + 5_000, "case 17")
    assert (made.segments, made.note, made.made_ms) == (1, "case 17", NOW_MS)
    archive.now_ms += DAY_MS
    archive.record(1)
    archive.prune(packets_days=0.5, packets_bytes_per_camera=1, clips_days=0.5)
    assert archive.sequences() == [3, 4, 5, 9, 10, 11]
    with archive.store.read() as session:
        assert session.scalars(select(ClipRow.packet_id)).all() == [archive.packet_id(4)]
    assert keeps.remove(made.id)
    archive.prune(packets_days=0.5)
    assert archive.sequences() == [9, 10, 11]


def test_bounds_are_those_of_what_was_seen(archive: Archive, keeps: Keeps) -> None:
    archive.record(3, size=1)
    keeps.add(CAMERA_ID, BOOT_WALL_MS + 1_000, BOOT_WALL_MS + 2_000)
    archive.now_ms += DAY_MS
    archive.record(1, size=1)
    archive.prune(packets_days=0.5)
    assert archive.sequences() == [1, 3]


def test_an_interval_of_another_camera_keeps_nothing(archive: Archive, keeps: Keeps) -> None:
    archive.record(2, size=1)
    archive.record(2, size=1, camera="yard")
    keeps.add(f"{CAMERA_ID.rpartition('/')[0]}/yard", 0, 2**52)
    archive.now_ms += DAY_MS
    archive.prune(packets_days=0.5)
    assert (archive.sequences(), archive.sequences("yard")) == ([1], [2, 3])


def test_there_is_a_limit_to_what_is_kept(
    archive: Archive, keeps: Keeps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "MAX_KEEPS", 1)
    archive.record(1)
    keeps.add(CAMERA_ID, 0, 1)
    with pytest.raises(KeepError, match="1 intervals are kept already"):
        keeps.add(CAMERA_ID, 0, 1)


@pytest.fixture
def client(archive: Archive, keeps: Keeps) -> Iterator[httpx.Client]:
    viewing = Viewing(archive.store, archive.objects)
    app = create_api(viewing, lambda: Health(ok=True, troubles={}, messages={}))
    app.include_router(keep_routes(keeps))
    with serving(app) as client:
        yield client


def test_programs_keep_list_and_let_go(archive: Archive, client: httpx.Client) -> None:
    archive.record(2)
    wanted = {"from_ms": BOOT_WALL_MS, "to_ms": BOOT_WALL_MS + 2_500, "note": "case 17"}
    answer = client.post(URL, json=wanted)
    assert answer.status_code == 201
    made = answer.json()
    assert made == wanted | {"id": made["id"], "camera": CAMERA_ID, "made_ms": NOW_MS, "segments": 3}
    assert client.get("/api/v1/keeps").json() == [made]
    assert client.get("/api/v1/keeps", params={"camera": CAMERA_ID}).json() == [made]
    assert client.delete(f"/api/v1/keeps/{made['id']}").status_code == 204
    assert client.delete(f"/api/v1/keeps/{made['id']}").json()["detail"] == f"no interval {made['id']}"
    assert client.get("/api/v1/keeps").json() == []


@pytest.mark.parametrize(
    ("url", "wanted", "status", "detail"),
    [
        pytest.param(URL, {"from_ms": 5, "to_ms": 5}, 409, "expected more than from_ms 5", id="empty"),
        pytest.param(URL, {"from_ms": -1, "to_ms": 5}, 422, "from_ms", id="negative"),
        pytest.param(URL, {"from_ms": 1}, 422, "to_ms", id="without an end"),
        pytest.param(
            URL.replace("gate", "attic"), {"from_ms": 1, "to_ms": 2}, 404, "no camera", id="unknown"
        ),
    ],
)
def test_what_cannot_be_kept_is_refused(
    archive: Archive, client: httpx.Client, url: str, wanted: dict[str, int], status: int, detail: str
) -> None:
    archive.record(1)
    answer = client.post(url, json=wanted)
    assert (answer.status_code, detail in answer.json()["detail"]) == (status, True)
