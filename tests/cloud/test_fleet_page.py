"""The fleet page in a real browser, with a thousand devices in the store."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect
from sqlalchemy import update

from cloud.config_usage import UsageSettings
from cloud.schema import BootRow, UsageRecordRow
from cloud.store import Store
from cloud.usage.budgets import Budgets
from cloud.usage.sums import Amount, Gathering
from mirage.demo.broker import free_port
from tests.cloud.fleet_stock import name_of, stock
from tests.cloud.site import DESK, NEEDS_CHROMIUM, chromium
from tests.cloud.waiting import until
from tests.cloud.web import TRUST
from wire.bundle import Bundle

DEVICES = 1000
LOUD, SITE = name_of(DEVICES - 1), "acme/site-07"
MINUTES = 50
ROOT = Path(__file__).resolve().parents[2]
SCREENS: dict[str, ViewportSize] = {
    "phone": {"width": 390, "height": 844},
    "tablet": {"width": 900, "height": 700},
    "desk": DESK,
    "wall": {"width": 1920, "height": 1080},
}

pytestmark = NEEDS_CHROMIUM


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Stock a store: a thousand devices, sums of the last hour, and budgets of a device and of a site."""
    opened = Store(f"sqlite:///{tmp_path_factory.mktemp('fleet')}/store.db")
    now_ms, settings = time.time_ns() // 1_000_000, UsageSettings()
    stock(opened, DEVICES, now_ms)
    gathering = Gathering()
    for number in range(0, DEVICES, 7):
        sizes = {"": [40, 60, 90], "gate": [30, 20 + number, 40, 10 * number, 9 * number, 80, 120]}
        amount = Amount(sizes, {"h265": 900_000, "h265_of": 450, "covered_s": 60})
        for minute in range(MINUTES if number % 70 == 0 else 1):
            gathering.add(name_of(number), now_ms - minute * 60_000, amount)
            gathering.add_minute(name_of(number), now_ms - minute * 60_000, sizes)
    with opened.write() as session:
        gathering.write(session)
    budgets = Budgets(opened, settings)
    budgets.set(name_of(7), 100)
    budgets.set(SITE, 10_000)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def address(store: Store, bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the store as `mirage cloud serve` does."""
    folder, port = tmp_path_factory.mktemp("site"), free_port()
    (folder / "cloud.toml").write_text(
        f'[broker]\nhost = "127.0.0.1"\nenvelope = "none"\n[store]\nurl = "{store.name}"\n'
        f'[bundle]\npaths = ["{bundle.root}"]\n[serve]\nport = {port}\n[usage]\nprice_per_mb = 0.5\n'
    )
    command = [sys.executable, "-m", "mirage", "cloud", "serve", "--config", str(folder / "cloud.toml")]
    server = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    found = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            return httpx.get(f"{found}/healthz", verify=TRUST).status_code == 200
        except httpx.HTTPError:
            return False

    try:
        until(lambda: server.poll() is not None or answers(), 180)
        assert server.poll() is None, "it did not start"
        yield found
    finally:
        server.terminate()
        server.wait(60)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """Open the page, and watch for scripts that fail and requests to elsewhere."""
    opened = browser.new_page(viewport={"width": 1440, "height": 1000})
    opened.set_default_timeout(60_000)
    troubles: list[str] = []
    own = (address, "data:", "blob:", "ws:")
    opened.on("pageerror", lambda error: troubles.append(str(error)))
    opened.on("request", lambda asked: None if asked.url.startswith(own) else troubles.append(asked.url))
    opened.goto(f"{address}/fleet")
    expect(opened.locator(".fleet-count")).to_have_attribute("data-count", str(DEVICES))
    yield opened
    opened.close()
    assert troubles == []


def first_row(page: Page) -> str:
    return page.locator('.ag-row[row-index="0"]').get_attribute("row-id") or ""


def test_all_devices_are_there_and_only_those_in_sight_are_drawn(page: Page, tmp_path: Path) -> None:
    expect(page.locator(".fleet-count")).to_have_text("1,000 devices")
    assert 5 < page.locator(".ag-center-cols-container .ag-row").count() < 100
    row = page.locator(f'.ag-row[row-id="{name_of(0)}"]')
    expect(row).to_contain_text("online")
    expect(row).to_contain_text("mirage 0.0.0")
    expect(row).to_contain_text("disk-full")
    expect(page.locator(".fleet-tile", has_text="lost")).to_contain_text("166")
    expect(page.locator(".fleet-tile", has_text="now")).to_contain_text("500 kB/s")
    expect(page.locator(".fleet-tile", has_text="EUR")).to_be_visible()
    page.wait_for_timeout(1000)  # the chart is drawn with a movement
    page.screenshot(path=tmp_path / "fleet-desk.png")


def test_a_click_on_a_head_sorts(page: Page) -> None:
    head = page.locator('.ag-header-cell[col-id="bytes_per_s"]')
    head.click()
    expect(head).to_have_attribute("aria-sort", "ascending")
    assert first_row(page) == name_of(0)
    head.click()
    expect(head).to_have_attribute("aria-sort", "descending")
    expect(page.locator('.ag-row[row-index="0"]')).to_have_attribute("row-id", LOUD)
    page.locator('.ag-row[row-index="0"]').locator('[col-id="bytes_per_s"]', has_text="999 B/s").wait_for()


def test_what_is_typed_is_searched_for_and_a_button_filters(page: Page) -> None:
    count = page.locator(".fleet-count")
    page.get_by_label("Search devices").fill("cam-0999")
    expect(count).to_have_text("1 of 1,000 devices")
    assert first_row(page) == LOUD
    page.get_by_label("Search devices").fill("site-07")
    expect(count).to_have_text("50 of 1,000 devices")
    page.get_by_label("Search devices").fill("")
    page.get_by_role("button", name="Lost", exact=True).click()
    expect(count).to_have_text("166 of 1,000 devices")
    expect(page.locator(".ag-row").first).to_contain_text("lost")
    page.get_by_role("button", name="Alarms", exact=True).click()
    expect(count).to_have_text("100 of 1,000 devices")
    page.get_by_role("button", name="All", exact=True).click()
    expect(count).to_have_text("1,000 devices")


def test_bytes_budgets_and_top_talkers_are_told(page: Page) -> None:
    expect(page.get_by_label("Top talkers")).to_contain_text(LOUD)
    told = page.get_by_label("Budgets and alerts")
    expect(told).to_contain_text(SITE)
    expect(told).to_contain_text(name_of(7))
    chart = page.get_by_label("Bytes over time")
    expect(chart.locator("canvas")).to_be_visible()
    expect(chart.get_by_text("No bytes were reported")).to_be_hidden()
    chart.get_by_role("button", name="Day").click()
    expect(chart.get_by_role("button", name="Day")).to_have_attribute("aria-pressed", "true")
    expect(chart.locator("canvas")).to_be_visible()


def test_a_device_that_is_chosen_has_the_chart_for_itself(page: Page) -> None:
    chart = page.get_by_label("Bytes over time")
    page.locator(f'.ag-row[row-id="{name_of(20)}"]').first.click()
    expect(chart).to_contain_text(name_of(20))
    page.get_by_role("button", name="all devices").click()
    expect(chart).not_to_contain_text(name_of(20))


def test_what_changes_in_the_store_changes_in_its_row(page: Page, store: Store) -> None:
    row = page.locator(f'.ag-row[row-id="{name_of(0)}"]')
    expect(row).to_contain_text("online")
    with store.write() as session:
        session.execute(update(BootRow).where(BootRow.id == 1).values(state="lost"))
        session.execute(update(UsageRecordRow).where(UsageRecordRow.device_id == 1).values(bytes=6_000_000))
    expect(row).to_contain_text("lost")
    expect(row).to_contain_text("100 kB/s")
    with store.write() as session:
        session.execute(update(BootRow).where(BootRow.id == 1).values(state="ready"))
        session.execute(update(UsageRecordRow).where(UsageRecordRow.device_id == 1).values(bytes=0))
    expect(row).to_contain_text("online")


def test_the_table_is_reached_and_walked_with_the_keyboard(page: Page) -> None:
    page.get_by_role("button", name="Over 70 %").focus()
    for _ in range(4):  # past the grid's own guards
        page.keyboard.press("Tab")
        if page.evaluate("() => !!document.activeElement.closest('.ag-header-cell')"):
            break
    page.keyboard.press("Enter")
    expect(page.locator('.ag-header-cell[col-id="device"]')).to_have_attribute("aria-sort", "ascending")
    page.keyboard.press("ArrowDown")
    expect(page.locator('.ag-row[row-index="0"] .ag-cell-focus')).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    expect(page.locator('.ag-row[row-index="1"]')).to_have_attribute("aria-selected", "true")
    page.get_by_role("button", name="Lost", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.locator(".fleet-count")).to_have_text("166 of 1,000 devices")


@pytest.mark.parametrize("screen", SCREENS)
def test_it_fits_any_screen(page: Page, screen: str, tmp_path: Path) -> None:
    page.set_viewport_size(SCREENS[screen])
    assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
    page.locator(".fleet-grid").scroll_into_view_if_needed()
    expect(page.locator(f'.ag-row[row-id="{name_of(0)}"] [col-id="device"]')).to_be_visible()
    ratio = page.locator('.ag-header-cell[col-id="ratio"]')
    expect(ratio).to_have_count(0 if screen == "phone" else 1)
    page.screenshot(path=tmp_path / f"fleet-{screen}.png", full_page=True)


def test_links_export_the_fleet(page: Page, address: str) -> None:
    table = page.get_by_role("link", name="CSV").get_attribute("href") or ""
    listed = page.get_by_role("link", name="JSON").get_attribute("href") or ""
    assert httpx.get(address + table, timeout=60).text.count("\n") == DEVICES + 1
    assert len(httpx.get(address + listed, timeout=60).json()) == DEVICES
