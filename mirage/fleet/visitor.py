"""A visitor of the fleet page in a real browser: how long until it answers, sorts and filters."""

import shutil
import time
from ctypes.util import find_library
from pathlib import Path
from typing import TYPE_CHECKING

from mirage.errors import DemoError
from mirage.fleet.report import PageLook

if TYPE_CHECKING:
    from playwright.sync_api import Page

_QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
)
_PATIENCE_MS = 60_000
_SIZE = (1440, 1000)  # pixels


def missing() -> str:
    """Say what a browser lacks on this machine; nothing if it is all there."""
    if shutil.which("chromium") is None or find_library("atomic") is None:
        return "no browser: apt-get install chromium libatomic1"
    try:
        import playwright.sync_api  # noqa: F401 -- only whether it is there
    except ModuleNotFoundError:
        return "playwright is not installed: pip install 'mirage-video[bench]'"
    return ""


def visit(address: str, rows: int, search: str, screenshot: Path | None) -> PageLook:
    """Open the fleet page, wait for its `rows`, sort it, and search for one device. Raises DemoError."""
    from playwright.sync_api import Error, sync_playwright

    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(_QUIET))
            page = browser.new_page(viewport={"width": _SIZE[0], "height": _SIZE[1]})
            page.set_default_timeout(_PATIENCE_MS)
            look = _timed(page, address, rows, search, screenshot, browser.version)
            browser.close()
            return look
    except Error as error:
        raise DemoError(f"{address}/fleet: {str(error).splitlines()[0]}") from error


def _timed(
    page: "Page", address: str, rows: int, search: str, screenshot: Path | None, version: str
) -> PageLook:
    begun_s = time.monotonic()
    page.goto(f"{address}/fleet", wait_until="commit")
    page.locator(f'.fleet-count[data-count="{rows}"]').wait_for()
    page.locator(".fleet-grid .ag-center-cols-container .ag-row").first.wait_for()
    interactive_s = time.monotonic() - begun_s
    header = page.locator('.fleet-grid .ag-header-cell[col-id="bytes_today"]')
    begun_s = time.monotonic()
    header.click()
    page.locator('.fleet-grid .ag-header-cell[col-id="bytes_today"][aria-sort="ascending"]').wait_for()
    sort_s = time.monotonic() - begun_s
    header.click()
    if screenshot is not None:
        page.wait_for_timeout(2000)  # the chart is drawn with a movement
        page.screenshot(path=screenshot)
    begun_s = time.monotonic()
    page.get_by_label("Search devices").fill(search)
    page.locator('.fleet-count[data-shown="1"]').wait_for()
    filter_s = time.monotonic() - begun_s
    return PageLook(f"Chromium {version}", rows, interactive_s, sort_s, filter_s)
