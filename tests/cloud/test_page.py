"""The page, in a real browser: what a visitor sees, on a desk and on a phone."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import av
import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.bundles import CAPTIONS
from tests.cloud.page_server import IMPOSSIBLE
from tests.cloud.peer import Peer, connected
from tests.cloud.sample import Device
from tests.cloud.site import DESK, NEEDS_CHROMIUM, Site, chromium, keep_picture, running_site
from tests.cloud.waiting import until
from wire import documents
from wire.bundle import Bundle
from wire.documents import CameraInfo, State

SCREENS: dict[str, ViewportSize] = {
    "phone": {"width": 390, "height": 844},
    "tablet": {"width": 900, "height": 700},
    "desk": DESK,
    "wall": {"width": 1920, "height": 1080},
}
HOSTILE = "<img src=x onerror=\"document.title='stolen'\"> & <b>bold</b>"

pytestmark = NEEDS_CHROMIUM


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, bundle: Bundle) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("site"), bundle) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


@pytest.fixture
def page(browser: Browser, site: Site) -> Iterator[Page]:
    """Watch the page for what must never happen: scripts that fail, and requests to elsewhere."""
    opened = browser.new_page(viewport=DESK)
    opened.set_default_timeout(60_000)
    troubles: list[str] = []
    own = (site.address, "data:", "ws:")
    opened.on("pageerror", lambda error: troubles.append(str(error)))
    opened.on("request", lambda asked: None if asked.url.startswith(own) else troubles.append(asked.url))
    opened.goto(site.address)
    yield opened
    opened.close()
    assert troubles == []


@pytest.fixture(scope="module")
def peer(site: Site) -> Iterator[Peer]:
    with connected(site.broker.port, "devices") as connection:
        yield connection


@pytest.fixture(scope="module")
def fleet(peer: Peer, bundle: Bundle) -> Device:
    """Two cameras: one that moves, one that tells of trouble."""
    cameras = (CameraInfo("gate", 1280, 720, 25.0), CameraInfo("yard", 720, 1280, 25.0))
    device = Device(bundle, cameras=cameras)
    peer.publish(device.topics.birth, device.birth(time.time_ns() // 1_000_000 - 60_000), retain=True)
    peer.publish(device.topics.state, documents.encode(State("ready", device.boot_hex)), retain=True)
    for caption in (IMPOSSIBLE, CAPTIONS[4], HOSTILE):
        send(peer, device, caption, "yard")
    for number in range(6):
        send(peer, device, CAPTIONS[number % 4], "gate")
    return device


def send(peer: Peer, device: Device, caption: str, camera: str) -> None:
    packet = device.packet(caption, camera=camera)
    peer.publish(device.topics.sem(camera), device.frame(packet, camera))


def plays(page: Page) -> bool:
    script = "() => { const v = document.querySelector('video'); return v.currentTime > 0 && !v.error }"
    return bool(page.evaluate(script))


def test_without_cameras_it_says_what_to_do(page: Page, site: Site) -> None:
    expect(page.get_by_text("No camera has reported yet")).to_be_visible()
    expect(page.get_by_text(f"broker 127.0.0.1:{site.broker.port}")).to_be_visible()
    expect(page.locator(".main")).to_be_hidden()


@pytest.mark.usefixtures("fleet")
def test_cameras_appear_and_the_newest_segment_plays(page: Page) -> None:
    expect(page.locator("button.camera")).to_have_count(2)
    page.locator("button.camera", has_text="gate").click()
    expect(page.locator("button.card")).to_have_count(6)
    until(lambda: plays(page))
    expect(page.locator(".player .heading")).to_have_text(CAPTIONS[1])
    expect(page.locator(".legend")).to_contain_text("caption")
    expect(page.locator(".facts")).to_contain_text("times smaller than raw")
    expect(page.locator("button.card.chosen .card-caption")).to_have_text(CAPTIONS[1])
    page.get_by_text("how this clip was made").click()
    expect(page.locator(".statement dt", has_text="Renderer").locator("+ dd")).to_have_text("mean-1")
    expect(page.locator(".statement")).to_contain_text("long_side_px")


@pytest.mark.usefixtures("fleet")
def test_a_clip_is_downloaded_with_how_it_was_made_inside(page: Page, site: Site, tmp_path: Path) -> None:
    page.locator("button.camera", has_text="gate").click()
    with page.expect_download() as downloading:
        page.get_by_role("link", name="Download MP4").click()
    film = tmp_path / downloading.value.suggested_filename
    assert re.fullmatch(r"gate-\d{8}T\d{6}Z-reconstructed\.mp4", film.name)
    downloading.value.save_as(film)
    with av.open(str(film)) as container:
        inside = json.loads(container.metadata["comment"])
    stated = page.get_by_role("link", name="Provenance as JSON").get_attribute("href")
    document = page.request.get(f"{site.address}{stated}").json()
    assert {name: document[name] for name in inside} == inside


@pytest.mark.usefixtures("fleet")
def test_an_address_without_a_page_says_so_and_leads_back(page: Page, site: Site) -> None:
    answer = page.goto(f"{site.address}/nowhere/<b>")
    assert answer is not None
    assert answer.status == 404
    expect(page.get_by_text("Nothing is at /nowhere/")).to_be_visible()
    expect(page.locator("body")).not_to_contain_text("Exception")
    page.get_by_role("link", name="Watch").click()
    expect(page.get_by_label("Search captions")).to_be_visible()
    found = page.request.get(f"{site.address}/nowhere", headers={"Accept": "application/json"})
    assert found.json()["type"] == "/api/v1/problems/not-found"


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize("named", ["abc", "-1", "²", "9" * 30])
def test_an_address_without_sense_shows_the_page(page: Page, site: Site, named: str) -> None:
    page.goto(f"{site.address}/?segment={named}")
    expect(page.get_by_text("no segment")).to_be_visible()
    expect(page.get_by_label("Search captions")).to_be_visible()


@pytest.mark.usefixtures("fleet")
def test_an_older_segment_plays_and_then_those_that_follow_it(page: Page) -> None:
    page.locator("button.camera", has_text="gate").click()
    page.locator("button.card").nth(4).click()
    expect(page.locator(".player .heading")).to_have_text(CAPTIONS[1])
    until(lambda: plays(page))
    expect(page.locator("button.card").nth(3)).to_have_class("card chosen")
    until(lambda: plays(page))
    expect(page.locator("button.card").nth(4).locator("img")).to_be_visible()


def camera_of(peer: Peer, bundle: Bundle, name: str, boot: int, captions: list[str]) -> Device:
    """Have a camera of its own say these, long ago."""
    device = Device(bundle, name=f"jetson-{boot}", boot=boot, cameras=(CameraInfo(name, 640, 480, 25.0),))
    peer.publish(device.topics.birth, device.birth(), retain=True)
    for caption in captions:
        send(peer, device, caption, name)
    return device


def segments_of(page: Page, site: Site, camera: str, count: int) -> list[int]:
    """Wait for a camera's segments, and name them, the oldest first."""
    found = list[int]()

    def are_there() -> bool:
        answer = page.request.get(f"{site.address}/api/v1/segments?camera=acme/north/{camera}&limit=500")
        found[:] = [each["id"] for each in answer.json()][::-1] if answer.ok else []
        return len(found) == count

    until(are_there)
    return found


def test_a_link_plays_its_segment_to_its_end_and_goes_on_only_when_told_to(
    page: Page, site: Site, peer: Peer, bundle: Bundle
) -> None:
    quay = camera_of(peer, bundle, "quay", 4, ["a crane turns", "a ship comes", "a ship leaves", "fog"])
    segments = segments_of(page, site, "jetson-4/quay", 4)
    page.goto(f"{site.address}/?segment={segments[1]}")
    heading, chosen = page.locator(".player .heading"), page.locator("button.card.chosen .card-caption")
    expect(heading).to_have_text("a ship comes")
    expect(chosen).to_have_text("a ship comes")
    until(lambda: bool(page.evaluate("() => document.querySelector('video').ended")))
    send(peer, quay, "the fog lifts", "quay")
    expect(page.locator("button.card")).to_have_count(5)  # a round later
    expect(heading).to_have_text("a ship comes")
    expect(chosen).to_have_text("a ship comes")
    page.get_by_role("button", name="Play on").click()
    expect(heading).to_have_text("a ship leaves")
    expect(page.get_by_role("button", name="Play on")).to_be_hidden()
    expect(heading).to_have_text("the fog lifts")


def test_a_link_to_what_is_long_ago_shows_it_among_what_was_before_and_after(
    page: Page, site: Site, peer: Peer, bundle: Bundle
) -> None:
    camera_of(peer, bundle, "lock", 5, [f"barge number {number}" for number in range(65)])
    segments = segments_of(page, site, "jetson-5/lock", 65)
    page.goto(f"{site.address}/?segment={segments[5]}")
    cards = page.locator(".past button.card")
    expect(page.locator("button.card.chosen .card-caption")).to_have_text("barge number 5")
    expect(cards).to_have_count(10)
    expect(cards.first).to_contain_text("barge number 9")
    expect(page.locator("button.card.chosen")).to_be_in_viewport()
    page.get_by_role("button", name="Show later").click()
    expect(cards).to_have_count(58)
    expect(page.locator("button.card.chosen .card-caption")).to_have_text("barge number 5")
    cards.first.click()
    expect(cards.first).to_contain_text(re.compile("barge number 6[14]"))  # what it goes on to


def test_a_new_segment_appears_by_itself(page: Page, peer: Peer, fleet: Device) -> None:
    page.locator("button.camera", has_text="gate").click()
    expect(page.locator("button.card")).to_have_count(6)
    send(peer, fleet, "a blue bus stops", "gate")
    expect(page.locator("button.card").first).to_contain_text("a blue bus stops")
    expect(page.locator(".player .heading")).to_have_text("a blue bus stops")


def test_a_camera_that_films_now_is_seen_live(page: Page, peer: Peer, bundle: Bundle) -> None:
    filming = Device(bundle, name="jetson-3", boot=3, cameras=(CameraInfo("pier", 640, 480, 25.0),))
    peer.publish(filming.topics.birth, filming.birth(time.time_ns() // 1_000_000), retain=True)
    send(peer, filming, "a ferry leaves", "pier")
    page.locator("button.camera", has_text="pier").click()
    video = page.locator("video")
    expect(video).to_have_attribute("src", re.compile("^blob:"))
    expect(page.locator(".player .heading")).to_have_text("a ferry leaves")
    until(lambda: plays(page))
    for caption in ("the ferry is gone", "a gull lands"):
        send(peer, filming, caption, "pier")
    expect(page.locator(".player .heading")).to_have_text("a gull lands")
    expect(page.locator("button.card.chosen .card-caption")).to_have_text("a gull lands")
    page.locator("button.card").last.click()
    expect(video).to_have_attribute("src", re.compile("[.]mp4$"))
    until(lambda: plays(page))
    expect(page.locator(".player .heading")).to_have_text("a ferry leaves")


@pytest.mark.usefixtures("fleet")
def test_a_segment_that_has_played_plays_again(page: Page) -> None:
    page.locator("button.camera", has_text="gate").click()
    page.get_by_text("Follow live", exact=True).click()
    card = page.locator("button.card").first
    card.click()
    ended = "() => document.querySelector('video').ended"
    until(lambda: bool(page.evaluate(ended)))
    card.click()
    until(lambda: plays(page) and not page.evaluate(ended))


def test_what_is_longer_ago_is_shown_on_request(page: Page, peer: Peer, bundle: Bundle) -> None:
    old = Device(bundle, name="jetson-2", boot=2, cameras=(CameraInfo("dock", 640, 480, 25.0),))
    peer.publish(old.topics.birth, old.birth(), retain=True)
    for number in range(50):
        send(peer, old, f"boat number {number}", "dock")
    page.locator("button.camera", has_text="dock").click()
    expect(page.locator("button.card")).to_have_count(48)
    expect(page.locator("button.card").first).to_contain_text("boat number 49")
    page.get_by_role("button", name="Show earlier").click()
    expect(page.locator("button.card")).to_have_count(50)
    expect(page.locator("button.card").last).to_contain_text("boat number 0")
    expect(page.get_by_role("button", name="Show earlier")).to_be_hidden()


@pytest.mark.usefixtures("fleet")
def test_what_cannot_be_rendered_says_why_and_can_be_tried_again(page: Page) -> None:
    page.locator("button.camera", has_text="yard").click()
    page.locator("button.card", has_text=IMPOSSIBLE).click()
    expect(page.get_by_text("there is no such thing")).to_be_visible()
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("there is no such thing")).to_be_visible()


@pytest.mark.usefixtures("fleet")
def test_a_hostile_caption_is_text(page: Page) -> None:
    page.locator("button.camera", has_text="yard").click()
    card = page.locator("button.card", has_text="<img src=x")
    card.click()
    expect(page.locator(".player .heading")).to_have_text(HOSTILE)
    expect(card.locator(".card-caption")).to_have_text(HOSTILE)
    assert page.title() == "Mirage"


@pytest.mark.usefixtures("fleet")
def test_what_was_said_is_found_in_all_cameras_and_plays(page: Page) -> None:
    page.locator("button.camera", has_text="gate").click()
    box, found = page.get_by_label("Search captions"), page.locator(".found button.card")
    box.fill('"two people" camera -boat')
    expect(found).to_have_count(1)
    expect(page.get_by_role("status")).to_have_text("1 caption")
    expect(found.locator(".card-caption")).to_have_text(CAPTIONS[4])
    expect(found.locator(".card-place")).to_have_text("yard · jetson-1 · north")
    expect(found.locator("img")).to_have_attribute("src", re.compile("^/api/v1/(clips|segments)/[0-9]+"))
    expect(page.locator(".past")).to_be_hidden()
    found.click()
    expect(page.locator(".player .heading")).to_have_text(CAPTIONS[4])
    expect(page.locator("button.camera.chosen")).to_contain_text("yard")
    expect(found).to_have_class("card chosen")
    expect(page.get_by_role("button", name="Play on")).to_be_visible()
    until(lambda: plays(page))
    poster = found.locator('img[src$=".jpg"]:not([src*="thumb"])')
    until(lambda: poster.count() == 1 and poster.evaluate("picture => picture.naturalWidth > 0"))
    box.fill("img onerror")
    expect(found.locator(".card-caption")).to_have_text(HOSTILE)
    box.fill("zebra ' OR \"")
    expect(page.get_by_role("status")).to_have_text("No caption says that.")
    expect(found).to_have_count(0)
    assert page.title() == "Mirage"


@pytest.mark.usefixtures("fleet")
def test_searching_needs_no_mouse(page: Page) -> None:
    page.locator("button.camera", has_text="gate").click()
    page.get_by_label("Search captions").focus()
    page.keyboard.type("boat")
    first = page.locator(".found button.card").first
    expect(first).to_contain_text("boat")
    for _ in range(3):  # past the button that clears the box
        page.keyboard.press("Tab")
        if first.evaluate("card => card === document.activeElement"):
            break
    expect(first).to_be_focused()
    page.keyboard.press("Enter")
    expect(first).to_have_class("card chosen")
    page.get_by_label("Search captions").focus()
    page.keyboard.press("Escape")
    expect(page.locator(".past")).to_be_visible()
    expect(page.locator(".found")).to_be_hidden()


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize("screen", SCREENS)
def test_results_fit_any_screen(page: Page, screen: str) -> None:
    page.set_viewport_size(SCREENS[screen])
    page.get_by_label("Search captions").fill("a")
    expect(page.locator(".found button.card").first).to_be_visible()
    keep_picture(page, f"search-{screen}")
    assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize("screen", SCREENS)
def test_it_fits_any_screen(page: Page, screen: str) -> None:
    page.set_viewport_size(SCREENS[screen])
    page.locator("button.camera", has_text="gate").click()
    expect(page.locator("button.camera.chosen")).to_contain_text("gate")
    page.locator("button.card").last.click()
    expect(page.locator("button.card").last).to_have_class("card chosen")
    until(lambda: plays(page))
    assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
    expect(page.locator("video")).to_be_in_viewport()
    expect(page.locator(".player .heading")).to_be_visible()
    keep_picture(page, f"watch-{screen}")


@pytest.mark.usefixtures("fleet")
def test_a_camera_is_chosen_with_the_keyboard(page: Page) -> None:
    page.locator("button.camera", has_text="yard").focus()
    page.keyboard.press("Enter")
    expect(page.locator("button.camera.chosen")).to_contain_text("yard")
    expect(page.locator("button.card")).to_have_count(3)


@pytest.mark.usefixtures("fleet")
def test_a_broker_that_is_gone_is_told_and_what_is_stored_stays(page: Page, site: Site) -> None:
    expect(page.locator(".status")).to_have_text("connected")
    site.broker.stop()
    expect(page.get_by_role("alert")).to_contain_text(f"broker 127.0.0.1:{site.broker.port}")
    expect(page.locator(".status")).to_have_text("trouble")
    expect(page.locator("button.camera").first).to_be_visible()
    site.broker.start()
    expect(page.locator(".status")).to_have_text("connected")
