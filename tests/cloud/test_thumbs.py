"""Small pictures of segments."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from numpy.typing import NDArray

from cloud.bundles import Bundles
from cloud.catalog import UnknownSegmentError, poster_key
from cloud.objects import Objects
from cloud.render.mark import mark
from cloud.store import Store
from cloud.thumb_routes import thumb_routes
from cloud.thumbs import NoThumbError, Thumbs, load_decoder
from tests.bundles import CAPTIONS, tokens
from tests.cloud.desk import Desk
from tests.cloud.hls.cinema import Cinema, clip
from tests.cloud.sample import Device
from tests.cloud.web import serving
from wire.bundle import Bundle, BundleError

Decoded = list[NDArray[np.uint8] | None]


@pytest.fixture
def decoded() -> Decoded:
    return []


@pytest.fixture
def thumbs(store: Store, bundle: Bundle, tmp_path: Path, decoded: Decoded) -> Thumbs:
    """Decode every keyframe to a red picture, and keep what was decoded."""

    def decode(grid: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
        decoded.append(grid)
        return np.full((64, 64, 3), (200, 30, 30), np.uint8)

    return Thumbs(store, Objects(str(tmp_path / "objects")), Bundles([bundle]), lambda _bundle: decode)


@pytest.fixture
def filmed(desk: Desk, device: Device) -> Device:
    desk.birth(device)
    for number in range(3):
        desk.sem(device, device.packet(CAPTIONS[number]))
    return device


def picture(jpeg: bytes) -> NDArray[np.uint8]:
    decoded = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.asarray(decoded[..., ::-1], np.uint8)


def is_marked(shown: NDArray[np.uint8]) -> bool:
    """Tell whether the mark, on black, is at the top left."""
    expected = mark(np.zeros((1, *shown.shape), np.uint8))[0]
    place = expected.any(2)
    return bool(np.abs(shown.astype(int) - expected)[place].mean() < 25)


def has_poster(store: Store, folder: Path, packet_id: int, poster: NDArray[np.uint8]) -> None:
    cinema = Cinema(store, folder)
    made = cinema.render(packet_id, clip(50, 5))
    _, data = cv2.imencode(".jpg", mark(poster[None])[0][..., ::-1])
    cinema.objects.put(poster_key(made), data.tobytes())


@pytest.mark.usefixtures("filmed")
def test_without_a_clip_it_is_the_keyframe_in_the_shape_of_the_camera(
    thumbs: Thumbs, decoded: Decoded
) -> None:
    shown = picture(thumbs.thumb(2).jpeg)
    assert shown.shape == (90, 160, 3)
    assert np.abs(shown[60:].astype(int) - (200, 30, 30)).max() < 12
    assert is_marked(shown)
    (grid,) = decoded
    assert grid is not None
    assert np.array_equal(grid, tokens(1))


@pytest.mark.usefixtures("filmed")
def test_a_clip_shows_its_poster_under_a_mark_that_can_be_read(
    thumbs: Thumbs, store: Store, tmp_path: Path, decoded: Decoded
) -> None:
    before = thumbs.thumb(2)
    has_poster(store, tmp_path / "objects", 2, np.full((720, 1280, 3), (30, 200, 30), np.uint8))
    after = thumbs.thumb(2)
    assert after.tag != before.tag
    shown = picture(after.jpeg)
    assert shown.shape == (90, 160, 3)
    assert np.abs(shown[60:].astype(int) - (30, 200, 30)).max() < 12
    assert is_marked(shown)
    assert len(decoded) == 1


@pytest.mark.usefixtures("filmed")
def test_a_poster_that_is_damaged_or_gone_is_replaced_by_the_keyframe(
    thumbs: Thumbs, store: Store, tmp_path: Path, decoded: Decoded
) -> None:
    Cinema(store, tmp_path / "objects").render(1, clip(50, 5))  # its poster is no picture
    assert picture(thumbs.thumb(1).jpeg).shape == (90, 160, 3)
    made = Cinema(store, tmp_path / "objects").render(2, clip(50, 5))
    Objects(str(tmp_path / "objects")).remove([poster_key(made)])
    assert picture(thumbs.thumb(2).jpeg).shape == (90, 160, 3)
    assert len(decoded) == 2


@pytest.mark.usefixtures("filmed")
def test_it_is_made_once(thumbs: Thumbs, decoded: Decoded) -> None:
    assert thumbs.thumb(1) == thumbs.thumb(1)
    assert len(decoded) == 1


def test_a_still_segment_shows_what_the_one_before_did(
    thumbs: Thumbs, desk: Desk, device: Device, decoded: Decoded
) -> None:
    desk.birth(device)
    desk.sem(device, device.packet(seed=5))
    desk.sem(device, device.packet(seed=5, still=True))
    thumbs.thumb(2)
    (grid,) = decoded
    assert grid is not None
    assert np.array_equal(grid, tokens(5))


@pytest.fixture
def torn(desk: Desk, device: Device) -> None:
    """Lose the packet that the one that came refers to."""
    desk.birth(device)
    device.packet(seed=5)
    desk.sem(device, device.packet(seed=5, still=True))


@pytest.mark.usefixtures("torn")
def test_there_is_nothing_to_see_of_what_is_not_understood(thumbs: Thumbs) -> None:
    with pytest.raises(NoThumbError, match="packet 1 repeats"):
        thumbs.thumb(1)


def test_there_is_nothing_to_see_where_the_bundle_has_no_decoder(
    store: Store, bundle: Bundle, tmp_path: Path, filmed: Device
) -> None:
    del filmed
    with pytest.raises(BundleError):
        load_decoder(bundle)
    plain = Thumbs(store, Objects(str(tmp_path / "objects")), Bundles([bundle]))
    with pytest.raises(NoThumbError, match="decoder"):
        plain.thumb(1)


def test_no_segment_has_no_thumbnail(thumbs: Thumbs) -> None:
    with pytest.raises(UnknownSegmentError):
        thumbs.thumb(7)


def test_the_shipped_bundle_draws_its_keyframes(store: Store, tiny: Path, tmp_path: Path) -> None:
    bundle = Bundle.load(tiny, "cloud")
    info = bundle.manifest.appearance
    assert info is not None
    desk = Desk(store, [bundle])
    device = Device(bundle, shape=(info.planes, *info.grid))
    desk.birth(device)
    desk.sem(device, device.packet())
    thumb = Thumbs(store, Objects(str(tmp_path / "objects")), Bundles([bundle])).thumb(1)
    shown = picture(thumb.jpeg)
    assert shown.shape == (90, 160, 3)
    assert shown[60:].std() > 5, "there is something on it"
    assert is_marked(shown)


@pytest.fixture
def http(thumbs: Thumbs) -> Iterator[httpx.Client]:
    app = FastAPI()
    app.include_router(thumb_routes(thumbs))
    with serving(app) as client:
        yield client


@pytest.mark.usefixtures("filmed")
def test_it_is_served_and_not_sent_twice(http: httpx.Client) -> None:
    answer = http.get("/api/v1/segments/1/thumb.jpg")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    same = http.get("/api/v1/segments/1/thumb.jpg", headers={"If-None-Match": answer.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")


@pytest.mark.usefixtures("torn")
def test_what_cannot_be_seen_is_an_error(http: httpx.Client) -> None:
    answer = http.get("/api/v1/segments/1/thumb.jpg")
    assert answer.status_code == 404
    assert "packet 1 repeats" in answer.json()["detail"]
