"""A cloud that serves its page, in a process of its own beside a broker; and a browser that looks at it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes.util import find_library
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

from mirage.demo.broker import LoopbackBroker, free_port
from tests.cloud.waiting import until
from tests.cloud.web import TRUST
from wire.bundle import Bundle

CHROMIUM = shutil.which("chromium")
NEEDS_CHROMIUM = pytest.mark.skipif(
    CHROMIUM is None or find_library("atomic") is None,
    reason="no browser to drive: apt-get install chromium libatomic1",
)
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
ROOT = Path(__file__).resolve().parents[2]
DESK: ViewportSize = {"width": 1280, "height": 860}
expect.set_options(timeout=60_000)  # a busy machine


@dataclass
class Site:
    """A cloud that serves its page, and the broker that it listens to."""

    address: str
    broker: LoopbackBroker
    settings: Path


@contextmanager
def running_site(folder: Path, bundle: Bundle, *, serve: str = "", more: str = "") -> Iterator[Site]:
    """Run a cloud; `serve` are lines of its [serve], `more` are other tables of its settings."""
    broker = LoopbackBroker(folder)
    broker.start()
    port = free_port()
    settings = folder / "cloud.toml"
    settings.write_text(
        f'[broker]\nhost = "127.0.0.1"\nport = {broker.port}\nenvelope = "none"\n'
        f'[bundle]\npaths = ["{bundle.root}"]\n[serve]\nport = {port}\n{serve}\n'
        f"[render]\nlong_side_px = 128\n{more}\n"
    )
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.cloud.page_server", str(settings)],
        stdin=subprocess.PIPE, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        until(lambda: server.poll() is not None or is_well(address), 180)
        assert server.poll() is None, "it did not start"
        yield Site(address, broker, settings)
    finally:
        assert server.stdin is not None
        server.stdin.close()
        ended = server.wait(60)
        broker.stop()
    assert ended == 0, "it stops cleanly"


def is_well(address: str) -> bool:
    try:
        return httpx.get(f"{address}/healthz", verify=TRUST).status_code == 200
    except httpx.HTTPError:
        return False


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield launched
        launched.close()


def keep_picture(page: Page, name: str) -> None:
    """Keep what the whole page looks like, in MIRAGE_SCREENSHOTS or else in out/screenshots."""
    folder = Path(os.environ.get("MIRAGE_SCREENSHOTS") or ROOT / "out" / "screenshots")
    page.screenshot(path=folder / f"{name}.png", full_page=True)
