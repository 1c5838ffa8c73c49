"""Logging in, in a real browser: nothing before, one's own part of the fleet after, and the way out."""

import re
import socket
import time
from collections.abc import Iterator
from itertools import islice

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from cloud import jobs
from cloud.access import tokens
from cloud.access.roles import EVERYWHERE, Role, Scope
from cloud.access.tokens import Wanted
from cloud.clock import wall_ms
from cloud.lanes import Lane
from cloud.schema import SegmentRow
from cloud.store import Store
from tests.bundles import CAPTIONS
from tests.cloud.page_server import ENDLESS
from tests.cloud.peer import connected
from tests.cloud.sample import Device
from tests.cloud.site import DESK, NEEDS_CHROMIUM, Site, chromium, running_site
from tests.cloud.waiting import until
from tests.cloud.web import TRUST
from wire.bundle import Bundle
from wire.topics import DeviceTopics

pytestmark = NEEDS_CHROMIUM


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, bundle: Bundle) -> Iterator[Site]:
    serve = 'access = "token"\ntrusted_proxies = ["127.0.0.1"]\n'
    with running_site(tmp_path_factory.mktemp("site"), bundle, serve=serve) as running:
        yield running


@pytest.fixture(scope="module")
def store(site: Site) -> Iterator[Store]:
    opened = Store(f"sqlite:///{site.settings.parent}/store.db")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


@pytest.fixture(scope="module")
def fleet(site: Site, bundle: Bundle) -> None:
    """Have a camera of acme, one of whose segments renders for ever, and one of umbra."""
    acme, umbra = Device(bundle), Device(bundle, name="jetson-9", boot=9)
    umbra.topics = DeviceTopics("umbra", "south", "jetson-9")
    with connected(site.broker.port, "devices") as peer:
        for device, captions in ((acme, (ENDLESS, CAPTIONS[0])), (umbra, (CAPTIONS[1],))):
            peer.publish(
                device.topics.birth, device.birth(time.time_ns() // 1_000_000 - 600_000), retain=True
            )
            for caption in captions:
                peer.publish(device.topics.sem("gate"), device.frame(device.packet(caption)))


@pytest.fixture
def page(browser: Browser, site: Site) -> Iterator[Page]:
    """Watch for scripts that fail, and for what the browser refuses to load or run."""
    context = browser.new_context(viewport=DESK)
    opened, troubles = context.new_page(), list[str]()
    opened.on("pageerror", lambda error: troubles.append(str(error)))
    opened.on("console", lambda told: troubles.append(told.text) if "Security Policy" in told.text else None)
    opened.goto(site.address)
    yield opened
    context.close()
    assert troubles == []


def secret_of(store: Store, name: str, role: Role, scope: str | None = None) -> tuple[str, str]:
    """Make a token; give its id and its secret."""
    with store.write() as session:
        made = tokens.create(session, Wanted(name, role, Scope.parse(scope)), wall_ms())
    return made.token.id, made.secret


def log_in(page: Page, secret: str) -> None:
    page.get_by_label("Token").fill(secret)
    page.get_by_role("button", name="Log in").click()


def upgraded(site: Site, *headers: str) -> str:
    """Ask for the page's WebSocket; give the status line."""
    host = site.address.removeprefix("http://")
    lines = [
        "GET /_nicegui_ws/socket.io/?EIO=4&transport=websocket HTTP/1.1",
        f"Host: {host}", "Upgrade: websocket",
        "Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13",
        *headers,
    ]  # fmt: skip
    name, _, port = host.partition(":")
    with socket.create_connection((name, int(port)), timeout=60) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        return connection.recv(4096).decode("latin-1").partition("\r\n")[0]


def cookie_of(page: Page) -> str:
    (cookie,) = page.context.cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"], cookie["secure"]) == (
        "mirage", True, "Strict", False,
    )  # fmt: skip
    return f"Cookie: mirage={cookie['value']}"


@pytest.mark.usefixtures("fleet")
def test_without_a_token_there_is_nothing_but_the_login(page: Page, site: Site) -> None:
    expect(page).to_have_url(f"{site.address}/login?next=%2F")
    expect(page.get_by_label("Token")).to_be_focused()
    assert "gate" not in page.content()
    for path in ("/api/v1/cameras", "/_nicegui_ws/socket.io/?EIO=4&transport=polling", "/fleet", "/nowhere"):
        answer = httpx.get(site.address + path, timeout=60, verify=TRUST)
        assert (path, answer.status_code) == (path, 401)
        assert answer.json()["type"] == "/api/v1/problems/unauthenticated"
    assert upgraded(site).split()[1] == "403"


@pytest.mark.usefixtures("fleet")
def test_a_viewer_sees_its_tenant_only_and_cannot_cancel(page: Page, site: Site, store: Store) -> None:
    _, secret = secret_of(store, "acme's wall", Role.VIEWER, "acme")
    log_in(page, "mrg_000000000000_" + "x" * 43)
    expect(page.get_by_role("alert")).to_contain_text("not valid: it is mistyped, expired or revoked")
    log_in(page, secret)
    expect(page.locator("button.camera")).to_have_count(1)
    expect(page.locator("button.camera")).to_contain_text("jetson-1 · north")
    expect(page.locator(".account-name")).to_have_text("acme's wall")
    page.locator("button.card", has_text=CAPTIONS[0]).click()
    video = page.locator("video")
    until(lambda: bool(video.evaluate("video => video.currentTime > 0 && !video.error")))
    page.get_by_label("Search captions").fill("to the right")
    expect(page.get_by_role("status")).to_have_text("No caption says that.")
    page.get_by_label("Search captions").fill("")
    page.locator("button.card", has_text=ENDLESS).click()
    expect(page.get_by_text("Rendering…").first).to_be_visible()
    expect(page.get_by_role("button", name="Cancel", exact=True)).to_have_count(0)
    answer = page.evaluate("fetch('/api/v1/segments/1/render', {method: 'DELETE'}).then(a => a.json())")
    assert (answer["status"], answer["requires"]) == (403, "operator")
    assert upgraded(site, cookie_of(page)).split()[1] == "101"
    assert upgraded(site, cookie_of(page), "Origin: https://evil.example").split()[1] == "403"


@pytest.mark.usefixtures("fleet")
def test_no_page_shows_another_tenant(page: Page, site: Site, store: Store) -> None:
    with store.write() as session:
        for segment_id in session.scalars(select(SegmentRow.packet_id)):
            jobs.enqueue(session, segment_id, wall_ms(), lane=Lane.EVENT)
    log_in(page, secret_of(store, "acme's desk", Role.ADMIN, "acme")[1])
    expect(page.locator("button.camera")).to_have_count(1)
    links = [link.get_attribute("href") for link in page.locator(".page-link").all()]
    assert {"/", "/jobs", "/fleet"} <= set(links)
    for link in links:
        page.goto(f"{site.address}{link}")
        expect(page.locator(".account-name")).to_have_text("acme's desk")
        if link != "/alerts":  # where nobody has made one yet
            expect(page.locator("body")).to_contain_text("jetson-1")
        for trace in ("umbra", "jetson-9", CAPTIONS[1]):
            expect(page.locator("body")).not_to_contain_text(trace)


@pytest.mark.usefixtures("fleet")
def test_an_operator_cancels(page: Page, store: Store) -> None:
    log_in(page, secret_of(store, "desk", Role.OPERATOR)[1])
    page.locator("button.camera", has_text="jetson-1").click()
    page.locator("button.card", has_text=ENDLESS).click()
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.get_by_text("Nobody waits for this clip any more.")).to_be_visible()
    expect(page.get_by_role("button", name="Cancel", exact=True)).to_be_hidden()


@pytest.mark.usefixtures("fleet")
def test_who_logs_out_is_out_also_with_the_old_cookie(page: Page, site: Site, store: Store) -> None:
    log_in(page, secret_of(store, "guest", Role.VIEWER)[1])
    expect(page.locator("button.camera")).to_have_count(2)
    cookie = cookie_of(page)
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Token")).to_be_visible()
    assert page.context.cookies() == []
    assert upgraded(site, cookie).split()[1] == "403"
    page.goto(site.address)
    expect(page).to_have_url(re.compile("/login"))


@pytest.mark.usefixtures("fleet")
def test_a_page_whose_token_is_revoked_goes_back_to_the_login(page: Page, store: Store) -> None:
    token_id, secret = secret_of(store, "temp", Role.VIEWER)
    log_in(page, secret)
    expect(page.locator("button.camera")).to_have_count(2)
    with store.write() as session:
        tokens.revoke(session, token_id, EVERYWHERE, wall_ms())
    expect(page).to_have_url(re.compile("/login"))


@pytest.mark.usefixtures("page")
def test_guessing_is_slowed_down_for_the_address_that_guesses(site: Site, store: Store) -> None:
    def tried(token: str, address: str) -> httpx.Response:
        return httpx.post(
            f"{site.address}/login",
            data={"token": token},
            headers={"X-Forwarded-For": address},
            timeout=60,
            verify=TRUST,
        )

    guesses = (tried("guess", "203.0.113.9") for _ in range(100))
    assert [guess.status_code for guess in islice(guesses, 10)] == [401] * 10
    refused = next(guess for guess in guesses if guess.status_code == 429)  # one more may pass every 6 s
    assert int(refused.headers["Retry-After"]) >= 1
    assert "203.0.113.9 has tried too many tokens that are not valid; again in" in refused.text
    assert tried(secret_of(store, "late", Role.VIEWER)[1], "203.0.113.10").status_code == 303


def test_a_live_view_beyond_the_limit_says_so(
    browser: Browser, bundle: Bundle, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("limited")
    rates = "[serve.rates]\nrenders_per_minute = 1"
    with running_site(folder, bundle, serve='access = "token"', more=rates) as site:
        store = Store(f"sqlite:///{folder}/store.db")
        _, secret = secret_of(store, "wall", Role.VIEWER)
        store.close()
        device = Device(bundle)
        with connected(site.broker.port, "device") as peer:
            peer.publish(device.topics.birth, device.birth(wall_ms()), retain=True)
            peer.publish(device.topics.sem("gate"), device.frame(device.packet(CAPTIONS[0])))
        headers = {"Authorization": f"Bearer {secret}"}
        render = f"{site.address}/api/v1/segments/1/render"
        until(lambda: httpx.post(render, headers=headers, timeout=60, verify=TRUST).status_code == 202)
        page = browser.new_page(viewport=DESK)
        page.set_default_timeout(60_000)
        page.goto(site.address)
        log_in(page, secret)
        told = page.get_by_text("More clips are asked for than your limit allows")
        expect(told).to_be_visible()
        page.close()


@pytest.mark.parametrize("width", [360, 1280])
def test_the_login_fits_and_needs_no_mouse(page: Page, store: Store, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 700})
    assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
    page.keyboard.type(secret_of(store, f"keys {width}", Role.VIEWER)[1])
    page.keyboard.press("Enter")
    expect(page.locator(".account-name")).to_have_text(f"keys {width}")
    assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
    assert page.locator(".top").evaluate("top => top.offsetHeight") < 100, "more than two rows"
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Jobs").click()
    expect(page.locator(".status", has_text="connected")).to_be_visible()
