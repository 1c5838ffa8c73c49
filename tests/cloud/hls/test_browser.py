"""Live views in a real browser, by the page's own player."""

import shutil
from collections.abc import Iterator
from ctypes.util import find_library
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from playwright.sync_api import Browser, Page, sync_playwright

from cloud.access.declare import public
from tests.cloud.desk import Desk
from tests.cloud.hls.cinema import clip
from tests.cloud.hls.theatre import FRAMES, Theatre, filming, theatre
from tests.cloud.sample import Device
from tests.cloud.waiting import until

CHROMIUM = shutil.which("chromium")
LIVE = "/api/v1/cameras/acme/north/jetson-1/gate/live.m3u8"
PLAYER = Path(__file__).parents[3] / "cloud" / "page" / "live.js"

pytestmark = pytest.mark.skipif(
    CHROMIUM is None or find_library("atomic") is None,
    reason="no browser to drive: apt-get install chromium libatomic1",
)


def add_page(app: FastAPI) -> None:
    """Serve nothing but a video, and keep what it was told."""

    @app.get("/watch", dependencies=[public()])
    def watch() -> HTMLResponse:
        return HTMLResponse(
            f"<video muted></video><script>{PLAYER.read_text()}</script><script>"
            "const video = document.querySelector('video'); window.shown = [];"
            "video.addEventListener('shown', event => window.shown.push(event.detail));"
            f"mirageLive.show(video, '{LIVE}')</script>"
        )


@pytest.fixture
def house(desk: Desk, tmp_path: Path) -> Iterator[Theatre]:
    with theatre(desk, tmp_path / "objects", add_page) as opened:
        yield opened


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-quic"]
        )
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Browser, house: Theatre) -> Iterator[Page]:
    opened = browser.new_page()
    troubles: list[str] = []
    opened.on("pageerror", lambda error: troubles.append(str(error)))
    opened.goto(f"{house.address}/watch")
    yield opened
    opened.close()
    assert troubles == []


def shown(page: Page) -> list[int]:
    told: list[int] = page.evaluate("() => window.shown")
    return told


def position_s(page: Page) -> float:
    now: float = page.evaluate("() => video.currentTime")
    return now


def test_a_live_view_plays_in_chromium_and_tells_what_it_shows(
    house: Theatre, page: Page, device: Device
) -> None:
    with filming(house, device, renders=lambda _packet_id: True):
        until(lambda: len(shown(page)) >= 5)
        before_s = position_s(page)
        until(lambda: position_s(page) > before_s + 1)
    told = shown(page)
    assert told == sorted(told)
    assert page.evaluate("() => [video.videoWidth, video.videoHeight, video.error]") == [64, 36, None]


def test_it_plays_on_where_something_was_left_out(house: Theatre, page: Page, device: Device) -> None:
    with filming(house, device, renders=lambda packet_id: packet_id % 4 != 2):
        until(lambda: len(shown(page)) >= 6, timeout_s=60)
    assert not {2, 6, 10, 14} & set(shown(page))
    assert page.evaluate("() => video.error") is None


def test_it_plays_on_where_the_size_changes(house: Theatre, page: Page, device: Device) -> None:
    """The bundle of a device may change, and with it the size of its clips."""

    def render_large(packet_id: int) -> bool:
        if packet_id >= 6:
            house.cinema.render(packet_id, clip(100, FRAMES, width=96))
        return packet_id < 6

    with filming(house, device, renders=render_large):
        until(lambda: page.evaluate("() => video.videoWidth") == 96, timeout_s=60)
        until(lambda: len([number for number in shown(page) if number >= 6]) >= 3)
    assert page.evaluate("() => video.error") is None


def test_who_was_away_does_not_see_the_past(house: Theatre, page: Page, device: Device) -> None:
    with filming(house, device, renders=lambda _packet_id: True):
        until(lambda: len(shown(page)) >= 2)
        page.evaluate("() => video.pause()")
        left = shown(page)[-1]
        until(lambda: device.sequence > left + 20, 60)
        page.evaluate("() => video.play()")
        until(lambda: len(shown(page)) >= 4)
    assert min(number for number in shown(page) if number > left + 3) > left + 10


def test_who_has_paused_has_nothing_rendered(house: Theatre, page: Page, device: Device) -> None:
    asked: list[str] = []
    with filming(house, device, renders=lambda _packet_id: True):
        until(lambda: len(shown(page)) >= 2)
        page.evaluate("() => video.pause()")
        until(lambda: device.sequence > 12)
        page.on("request", lambda request: asked.append(request.url))
        until(lambda: device.sequence > 18)
    assert asked == []


def test_it_stops_when_it_is_left(house: Theatre, page: Page, device: Device) -> None:
    asked: list[str] = []
    with filming(house, device, renders=lambda _packet_id: True):
        until(lambda: len(shown(page)) >= 2)
        page.evaluate("() => mirageLive.leave(video)")
        page.on("request", lambda request: asked.append(request.url))
        number = device.sequence
        until(lambda: device.sequence >= number + 6)
    assert asked == []
    assert page.evaluate("() => video.currentSrc === '' || video.readyState === 0")
