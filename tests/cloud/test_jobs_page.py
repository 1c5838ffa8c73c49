"""The page of the queue, in a real browser: what an operator sees and does, on a desk and on a phone."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from cloud import jobs, leases
from cloud.lanes import Lane
from cloud.schema import JobRow, SegmentRow
from cloud.store import Store
from mirage.demo.broker import free_port
from tests.cloud.backlog import file_packets
from tests.cloud.site import NEEDS_CHROMIUM, chromium, is_well, keep_picture
from tests.cloud.waiting import until
from wire.bundle import Bundle

ROOT = Path(__file__).resolve().parents[2]
SCREENS: dict[str, ViewportSize] = {
    "phone": {"width": 390, "height": 844},
    "desk": {"width": 1280, "height": 860},
}
HOSTILE = "<img src=x onerror=\"document.title='stolen'\"> & <b>bold</b>"

pytestmark = NEEDS_CHROMIUM


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("jobs")
    return made


@pytest.fixture(scope="module")
def address(folder: Path, bundle: Bundle) -> Iterator[str]:
    """Serve the page over a store of jobs in all states."""
    port = free_port()
    (folder / "cloud.toml").write_text(
        f'[broker]\nhost = "127.0.0.1"\nport = {free_port()}\nenvelope = "none"\n'
        f'[bundle]\npaths = ["{bundle.root}"]\n[serve]\nport = {port}\n'
    )
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.cloud.serve_only", str(folder / "cloud.toml")],
        stdin=subprocess.PIPE, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    try:
        url = f"http://127.0.0.1:{port}"
        until(lambda: server.poll() is not None or is_well(url), 180)
        assert server.poll() is None, "it did not start"
        yield f"{url}/jobs"
    finally:
        assert server.stdin is not None
        server.stdin.close()
        server.wait(60)


@pytest.fixture(scope="module")
def store(folder: Path, address: str) -> Iterator[Store]:
    """Fill the store: a dead job, one that runs, two that wait, one that was cancelled."""
    assert address
    opened = Store(f"sqlite:///{folder}/store.db")
    packets = file_packets(opened, 1, 1, 2, 2, 3)
    with opened.write() as session:
        session.add_all(_segment(packet_id) for packet_id in packets)
        now_ms = leases.database_ms(session)
        for packet_id in packets[:2]:
            jobs.enqueue(session, packet_id, now_ms - 90_000)
            lease = leases.take(session, "render-7-0", now_ms)
            assert lease is not None
            if packet_id == packets[0]:
                leases.fail(session, lease, now_ms, HOSTILE, passing=False)
        session.get_one(JobRow, (packets[1], "")).lease_ms = now_ms + 10**9
        jobs.enqueue(session, packets[2], now_ms, lane=Lane.LIVE)
        jobs.enqueue(session, packets[3], now_ms - 300_000)
        jobs.enqueue(session, packets[4], now_ms)
        jobs.cancel(session, packets[4], now_ms)
    yield opened
    opened.close()


def _segment(packet_id: int) -> SegmentRow:
    return SegmentRow(
        packet_id=packet_id, camera_id=1, start_ms=0, duration_ms=2_000, still=False,
        caption=f"a red car number {packet_id}", layers="{}",
    )  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


@pytest.fixture
def page(browser: Browser, store: Store, address: str) -> Iterator[Page]:
    assert store
    opened = browser.new_page(viewport=SCREENS["desk"])
    opened.set_default_timeout(60_000)
    opened.goto(address)
    yield opened
    opened.close()


def test_an_operator_sees_how_the_queue_is(page: Page) -> None:
    expect(page.locator(".status")).to_have_text("connected")
    tiles = page.locator(".job-tile")
    expect(tiles.nth(0)).to_contain_text("waiting")
    expect(tiles.nth(0).locator("b")).to_have_text("2")
    expect(tiles.nth(0)).to_contain_text("oldest 5 min")
    expect(tiles.nth(3)).to_contain_text("1 in the last hour")
    row = page.get_by_role("row", name="backfill")
    expect(row.get_by_role("cell")).to_have_text(["1", "1", "0", "1", "1", "0"])
    running = page.get_by_role("region", name="Running")
    expect(running).to_contain_text("a red car number 2")
    expect(running).to_contain_text("render-7-0")
    waiting = page.get_by_role("region", name="Waiting").locator(".job-name")
    expect(waiting).to_have_text(["a red car number 3", "a red car number 4"])


def test_what_failed_is_told_as_it_is_and_harms_nobody(page: Page) -> None:
    dead = page.get_by_role("region", name="Failed for good")
    expect(dead.locator(".job-error")).to_have_text(HOSTILE)
    assert page.title() == "Jobs · Mirage"
    assert page.get_by_role("link", name="Jobs").get_attribute("aria-current") == "page"


@pytest.mark.parametrize("screen", SCREENS)
def test_it_fits_the_screen(page: Page, screen: str) -> None:
    page.set_viewport_size(SCREENS[screen])
    expect(page.locator(".job-row")).to_have_count(5)
    keep_picture(page, f"jobs-{screen}")
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= SCREENS[screen]["width"], "nothing sticks out to the right"


def test_the_keyboard_cancels_and_tries_again(page: Page, store: Store) -> None:
    waiting = page.get_by_role("region", name="Waiting")
    button = waiting.get_by_role("button", name="Cancel job 4-1")
    expect(button).to_be_visible()
    page.locator("body").press("Tab")
    for _ in range(20):
        if page.evaluate("document.activeElement.getAttribute('aria-label')") == "Cancel job 4-1":
            break
        page.keyboard.press("Tab")
    expect(button).to_be_focused()
    with store.write() as session:
        jobs.enqueue(session, 5, leases.database_ms(session), lane=Lane.EVENT)
    expect(waiting.locator(".job-name")).to_have_count(3)
    expect(button, "a round takes no focus away").to_be_focused()
    page.keyboard.press("Enter")
    expect(waiting.locator(".job-name")).to_have_text(["a red car number 3", "a red car number 5"])
    page.get_by_role("button", name="Retry job 1-1").press("Enter")
    expect(page.get_by_role("region", name="Failed for good").locator(".job-row")).to_have_count(0)
    with store.read() as session:
        assert session.get_one(JobRow, (4, "")).state == "cancelled"
        assert session.get_one(JobRow, (1, "")).state == "queued"
