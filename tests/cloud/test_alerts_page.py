"""The page of alerts, in a real browser: from a search to a rule, to a hit, to its clip."""

import re
import time
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.cloud.peer import Peer, connected
from tests.cloud.sample import Device
from tests.cloud.site import DESK, NEEDS_CHROMIUM, Site, chromium, keep_picture, running_site
from tests.cloud.waiting import until
from tests.cloud.web import TRUST
from wire.bundle import Bundle
from wire.documents import CameraInfo

SCREENS: dict[str, ViewportSize] = {"phone": {"width": 390, "height": 844}, "desk": DESK}
HOSTILE = "<img src=x onerror=\"document.title='stolen'\"> zebra"

pytestmark = NEEDS_CHROMIUM


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, bundle: Bundle) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("site"), bundle) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


@pytest.fixture(scope="module")
def peer(site: Site) -> Iterator[Peer]:
    with connected(site.broker.port, "devices") as connection:
        yield connection


@pytest.fixture(scope="module")
def device(peer: Peer, bundle: Bundle) -> Device:
    cameras = (CameraInfo("gate", 1280, 720, 25.0), CameraInfo("yard", 720, 1280, 25.0))
    made = Device(bundle, cameras=cameras)
    peer.publish(made.topics.birth, made.birth(time.time_ns() // 1_000_000 - 60_000), retain=True)
    return made


@pytest.fixture
def page(browser: Browser, site: Site) -> Iterator[Page]:
    """Watch the page for what must never happen: scripts that fail, and requests to elsewhere."""
    opened = browser.new_page(viewport=DESK)
    opened.set_default_timeout(60_000)
    troubles: list[str] = []
    own = (site.address, "data:", "ws:")
    opened.on("pageerror", lambda error: troubles.append(str(error)))
    opened.on("request", lambda asked: None if asked.url.startswith(own) else troubles.append(asked.url))
    yield opened
    opened.close()
    assert troubles == []


@pytest.fixture
def http(site: Site) -> Iterator[httpx.Client]:
    """Begin without alerts."""
    with httpx.Client(base_url=site.address, timeout=60, verify=TRUST) as client:
        for listed in client.get("/api/v1/alerts").json():
            client.delete(f"/api/v1/alerts/{listed['alert']['id']}")
        yield client


def send(peer: Peer, device: Device, *captions: str, camera: str = "gate") -> None:
    for caption in captions:
        packet = device.packet(caption, camera=camera)
        peer.publish(device.topics.sem(camera), device.frame(packet, camera))


def stored(http: httpx.Client, caption: str) -> bool:
    """Tell whether a caption can be found yet."""
    return bool(http.get("/api/v1/search", params={"q": caption}).json()["results"])


def test_a_search_becomes_an_alert_and_its_hit_leads_to_the_clip(
    page: Page, site: Site, http: httpx.Client, peer: Peer, device: Device
) -> None:
    send(peer, device, "a red car waits")
    until(lambda: stored(http, "red car"))
    page.goto(site.address)
    expect(page.get_by_role("link", name="Save as alert")).to_be_hidden()
    page.get_by_label("Search captions").fill('"red car" -rain')
    page.get_by_role("link", name="Save as alert").click()
    expect(page).to_have_url(re.compile("/alerts[?]query="))
    expect(page.get_by_label("Captions that say")).to_have_value('"red car" -rain')
    expect(page.locator(".trial")).to_contain_text("In the last day, 1 caption matched: 1 hit.")
    expect(page.locator(".trial a.card")).to_contain_text("a red car waits")
    page.get_by_label("Name").fill("Red cars")
    page.get_by_role("button", name="Save alert").click()
    rule = page.locator(".rule")
    expect(rule).to_contain_text("Red cars")
    expect(rule).to_contain_text("everywhere · at any time · quiet for 1 min")
    expect(page.get_by_text("Nothing found yet")).to_be_visible()
    send(peer, device, "a red car leaves")
    hit = page.locator("a.card.hit")
    expect(hit).to_contain_text("a red car leaves")
    expect(hit.locator(".card-alert")).to_have_text("Red cars")
    expect(rule).to_contain_text("1 hit in the last day")
    until(lambda: http.get("/api/v1/alerts/hits").json()["results"][0]["segment"]["render"] == "done", 30)
    expect(hit.locator('img[src^="/api/v1/clips/"]')).to_be_visible()
    keep_picture(page, "alerts-desk")
    hit.click()
    expect(page.locator(".player .heading")).to_have_text("a red car leaves")
    expect(page.locator("button.card.chosen")).to_contain_text("a red car leaves")


def test_an_alert_is_switched_off_and_deleted_only_after_a_question(
    page: Page, site: Site, http: httpx.Client
) -> None:
    made = http.post("/api/v1/alerts", json={"name": "Boats", "query": "boat"}).json()["id"]
    page.goto(f"{site.address}/alerts")
    expect(page.locator(".rule")).to_contain_text("Boats")
    page.get_by_label(f"Alert {made} is on").click()
    until(lambda: http.get(f"/api/v1/alerts/{made}").json()["active"] is False)
    page.get_by_label(f"Delete alert {made}").click()
    expect(page.get_by_text("Delete the alert “Boats”, and all that it found?")).to_be_visible()
    page.get_by_role("button", name="Keep").click()
    expect(page.locator(".rule")).to_have_count(1)
    page.get_by_label(f"Delete alert {made}").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator(".rule")).to_have_count(0)
    assert http.get("/api/v1/alerts").json() == []


def test_what_cannot_be_is_told_while_it_is_typed(page: Page, site: Site, http: httpx.Client) -> None:
    http.post("/api/v1/alerts", json={"name": "Boats", "query": "boat"})
    page.goto(f"{site.address}/alerts")
    page.get_by_label("Captions that say").fill("-rain")
    expect(page.locator(".alert-trouble")).to_contain_text("names no word that a caption must have")
    page.get_by_label("Captions that say").fill("car")
    expect(page.locator(".alert-trouble")).to_be_hidden()
    page.get_by_text("Hours, quiet time, webhook").click()
    page.get_by_label("Only from - to").fill("10")
    expect(page.locator(".alert-trouble")).to_contain_text("HH:MM-HH:MM")
    page.get_by_label("Only from - to").fill("")
    page.get_by_label("Name").fill("Boats")
    page.get_by_role("button", name="Save alert").click()
    expect(page.locator(".alert-trouble")).to_contain_text("taken by another alert")


def test_alerts_need_no_mouse(page: Page, site: Site, http: httpx.Client, peer: Peer, device: Device) -> None:
    page.goto(f"{site.address}/alerts")
    expect(page.locator(".status")).to_have_text("connected")
    page.get_by_label("Captions that say").focus()
    page.keyboard.type("ferry")
    page.keyboard.press("Enter")
    expect(page.locator(".rule")).to_contain_text("ferry")
    page.keyboard.press("Tab")
    send(peer, device, "a ferry leaves", camera="yard")
    hit = page.locator("a.card.hit")
    expect(hit).to_contain_text("a ferry leaves")
    switch = page.get_by_role("switch")
    switch.focus()
    page.keyboard.press("Space")
    until(lambda: http.get("/api/v1/alerts").json()[0]["alert"]["active"] is False)
    hit.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".player .heading")).to_have_text("a ferry leaves")


def test_what_people_and_devices_write_is_text(
    page: Page, site: Site, http: httpx.Client, peer: Peer, device: Device
) -> None:
    http.post("/api/v1/alerts", json={"name": HOSTILE, "query": "zebra"})
    send(peer, device, HOSTILE)
    page.goto(f"{site.address}/alerts?query=zebra")
    expect(page.locator("a.card.hit .card-caption")).to_have_text(HOSTILE)
    expect(page.locator("a.card.hit .card-alert")).to_have_text(HOSTILE)
    expect(page.locator(".rule-name")).to_have_text(HOSTILE)
    assert page.title() == "Alerts · Mirage"


@pytest.mark.parametrize("screen", SCREENS)
def test_it_fits_any_screen_and_leads_to_the_other_pages(
    page: Page, site: Site, http: httpx.Client, peer: Peer, device: Device, screen: str
) -> None:
    http.post("/api/v1/alerts", json={"name": "Cars at the gate of the north", "query": "truck"})
    page.set_viewport_size(SCREENS[screen])
    send(peer, device, "a truck turns " + "x" * 60)
    page.goto(f"{site.address}/alerts?query=truck")
    expect(page.locator("a.card.hit").first).to_be_visible()
    expect(page.locator(".trial a.card").first).to_be_visible()
    keep_picture(page, f"alerts-{screen}-list")
    assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
    links = page.get_by_role("navigation", name="Pages")
    expect(links.get_by_role("link", name="Alerts")).to_have_attribute("aria-current", "page")
    links.get_by_role("link", name="Watch").click()
    expect(page.get_by_label("Search captions")).to_be_visible()


def test_a_segment_that_is_gone_is_told(page: Page, site: Site) -> None:
    page.goto(f"{site.address}/?segment=999999")
    expect(page.get_by_text("no segment 999999")).to_be_visible()
