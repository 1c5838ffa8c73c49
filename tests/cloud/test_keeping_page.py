"""The button that keeps what is shown beyond its time, in a real browser; and who may press it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from cloud.access.asks import Asking, Asks
from cloud.access.roles import Caller, Role, Scope
from cloud.catalog import UnknownSegmentError
from cloud.objects import Objects
from cloud.page.sight import Sight
from cloud.retention.keeps import Keeps
from cloud.search import Search
from cloud.store import Store
from cloud.viewing import Viewing
from mirage.demo.broker import free_port
from tests.bundles import CAPTIONS
from tests.cloud.desk import Desk
from tests.cloud.sample import BOOT_WALL_MS, Device
from tests.cloud.site import DESK, NEEDS_CHROMIUM, chromium, is_well
from tests.cloud.studio import CAMERA_ID
from tests.cloud.waiting import until
from wire.bundle import Bundle

ROOT = Path(__file__).resolve().parents[2]


def film(store: Store, bundle: Bundle) -> None:
    desk, device = Desk(store, [bundle]), Device(bundle)
    desk.birth(device)
    for caption in CAPTIONS[:3]:
        desk.sem(device, device.packet(caption))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, bundle: Bundle) -> Path:
    made: Path = tmp_path_factory.mktemp("keeping")
    store = Store(f"sqlite:///{made}/store.db")
    film(store, bundle)
    store.close()
    return made


@pytest.fixture(scope="module")
def address(folder: Path, bundle: Bundle) -> Iterator[str]:
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
        yield url
    finally:
        assert server.stdin is not None
        server.stdin.close()
        server.wait(60)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    opened = browser.new_page(viewport=DESK)
    opened.set_default_timeout(60_000)
    opened.goto(address)
    yield opened
    opened.close()


@NEEDS_CHROMIUM
def test_an_operator_keeps_what_is_shown_and_lets_it_go(page: Page, folder: Path) -> None:
    store = Store(f"sqlite:///{folder}/store.db")
    keeps = Keeps(store)
    page.locator("button.card").nth(1).click()
    button = page.get_by_role("button", name="Keep this segment beyond its time")
    expect(button).to_be_visible()
    button.press("Enter")
    expect(page.get_by_text("Kept beyond its time")).to_be_visible()
    (kept,) = keeps.listed()
    assert (kept.camera, kept.from_ms, kept.to_ms) == (CAMERA_ID, BOOT_WALL_MS + 1_000, BOOT_WALL_MS + 2_000)
    assert (kept.segments, kept.note) == (1, CAPTIONS[1])
    page.get_by_role("button", name="Let retention remove this segment").press("Enter")
    expect(button).to_be_visible()
    assert keeps.listed() == []
    longer = keeps.add(CAMERA_ID, 0, 2**52)
    expect(page.get_by_text("Kept beyond its time")).to_be_visible()
    expect(page.locator(".keeping button")).to_be_hidden()
    keeps.remove(longer.id)
    store.close()


def sight(store: Store, folder: Path, caller: Caller) -> Sight:
    return Sight(Viewing(store, Objects(str(folder))), Search(store), Asking(Asks(None), caller))


def test_viewers_keep_nothing_and_nobody_what_is_not_theirs(
    store: Store, tmp_path: Path, bundle: Bundle
) -> None:
    film(store, bundle)
    operator = sight(store, tmp_path, Caller("desk", Role.OPERATOR, Scope.parse("acme")))
    viewer = sight(store, tmp_path, Caller("wall", Role.VIEWER))
    stranger = sight(store, tmp_path, Caller("umbra", Role.ADMIN, Scope.parse("umbra")))
    viewer.keep(1)
    assert viewer.kept(1) == []
    operator.keep(1)
    (kept,) = viewer.kept(1)
    assert viewer.kept(2) == []
    viewer.let_go(1, kept.id)
    operator.let_go(2, kept.id)
    assert operator.kept(1) == [kept]
    for forbidden in (stranger.keep, stranger.kept, lambda number: stranger.let_go(number, kept.id)):
        with pytest.raises(UnknownSegmentError):
            forbidden(1)
    operator.let_go(1, kept.id)
    assert operator.kept(1) == []
