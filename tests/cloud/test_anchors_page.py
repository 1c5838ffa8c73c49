"""Reference pictures on the page: uploaded, seen and removed in a real browser, by those who may."""

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from cloud.access import tokens
from cloud.access.asks import Asking, Asks
from cloud.access.roles import Caller, Role, Scope
from cloud.access.tokens import Wanted
from cloud.anchor_book import AnchorBook, Use
from cloud.clock import wall_ms
from cloud.objects import Objects
from cloud.page.sight import Sight
from cloud.search import Search
from cloud.store import Store
from cloud.viewing import Viewing
from mirage.demo.broker import free_port
from tests.cloud.site import DESK, NEEDS_CHROMIUM, chromium, is_well
from tests.cloud.studio import CAMERA_ID
from tests.cloud.test_anchor_book import picture
from tests.cloud.test_keeping_page import film
from tests.cloud.waiting import until
from wire.bundle import Bundle

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = "<img src=x onerror=alert(1)>.jpg"


@contextmanager
def served(tmp_path: Path, bundle: Bundle, serve: str = "") -> Iterator[str]:
    """Serve the page of a film; `serve` are lines of its [serve]."""
    port = free_port()
    store = Store(f"sqlite:///{tmp_path}/store.db")
    film(store, bundle)
    store.close()
    (tmp_path / "cloud.toml").write_text(
        f'[broker]\nhost = "127.0.0.1"\nport = {free_port()}\nenvelope = "none"\n'
        f'[bundle]\npaths = ["{bundle.root}"]\n[serve]\nport = {port}\n{serve}'
    )
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.cloud.serve_only", str(tmp_path / "cloud.toml")],
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


@pytest.fixture
def address(tmp_path: Path, bundle: Bundle) -> Iterator[str]:
    with served(tmp_path, bundle) as url:
        yield url


@pytest.fixture
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
def test_an_operator_uploads_a_picture_sees_it_and_removes_it(page: Page, tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/store.db")
    book = AnchorBook(store, Objects(str(tmp_path / "objects")))
    page.get_by_text("Reference pictures").click(timeout=60_000)
    upload = page.locator(".anchors input[type=file]")
    upload.set_input_files({"name": HOSTILE, "mimeType": "image/jpeg", "buffer": picture(90)})
    preview = page.locator(".anchors-list img")
    expect(preview).to_have_count(1)
    preview.scroll_into_view_if_needed()
    until(lambda: bool(preview.evaluate("image => image.naturalWidth == 64")), 60)
    expect(page.locator(".anchors-list")).to_contain_text(HOSTILE)
    book.forget()
    (added,) = book.listed()
    assert (added.kind, added.camera, added.role) == ("place", CAMERA_ID, "viewer")
    upload.set_input_files({"name": "a.jpg", "mimeType": "image/jpeg", "buffer": b"no picture"})
    expect(page.get_by_text("no picture that can be read")).to_be_visible()
    page.get_by_role("button", name=f"Remove picture {added.id}").click()
    expect(preview).to_have_count(0)
    book.forget()
    assert book.listed() == ()
    store.close()


@NEEDS_CHROMIUM
def test_a_picture_for_more_cameras_than_one_sees_says_why_it_is_not_shown(
    browser: Browser, bundle: Bundle, tmp_path: Path
) -> None:
    with served(tmp_path, bundle, 'access = "token"\n') as url:
        store = Store(f"sqlite:///{tmp_path}/store.db")
        book = AnchorBook(store, Objects(str(tmp_path / "objects")))
        book.add(picture(10), Use("place"), "secret-yard.jpg")
        own = book.add(picture(90), Use("place", CAMERA_ID), "own.jpg")
        with store.write() as session:
            made = tokens.create(session, Wanted("mo", Role.OPERATOR, Scope.parse("acme")), wall_ms())
        store.close()
        page = browser.new_page(viewport=DESK)
        page.set_default_timeout(60_000)
        page.goto(url)
        page.get_by_label("Token").fill(made.secret)
        page.get_by_role("button", name="Log in").click()
        page.get_by_text("Reference pictures").click(timeout=60_000)
        listed = page.locator(".anchors-list li")
        expect(listed).to_have_count(2)
        wide, narrow = listed.nth(0), listed.nth(1)
        expect(wide).to_contain_text("place of */*/*/*. It is for cameras beyond your scope, too")
        expect(wide.locator("img, button")).to_have_count(0)
        expect(page.locator("body")).not_to_contain_text("secret-yard")
        expect(narrow.get_by_role("button", name=f"Remove picture {own.id}")).to_be_visible()
        preview = narrow.locator("img")
        preview.scroll_into_view_if_needed()
        until(lambda: bool(preview.evaluate("image => image.naturalWidth == 64")), 60)
        page.close()


def sight_of(store: Store, folder: Path, role: Role, scope: str | None = None) -> Sight:
    asking = Asking(Asks(None), Caller(role.label, role, Scope.parse(scope)))
    return Sight(Viewing(store, Objects(str(folder))), Search(store), asking)


def test_viewers_and_operators_of_elsewhere_change_nothing(store: Store, tmp_path: Path) -> None:
    book = AnchorBook(store, Objects(str(tmp_path)))
    everywhere = book.add(picture(10), Use("place"))
    for sight in (sight_of(store, tmp_path, Role.VIEWER), sight_of(store, tmp_path, Role.OPERATOR, "umbra")):
        sight.add_anchor(picture(90), ("place", CAMERA_ID, ""), "yard.jpg")
        sight.remove_anchor(everywhere.id)
        assert sight.anchors(CAMERA_ID) == []
    own = sight_of(store, tmp_path, Role.OPERATOR, "acme")
    own.add_anchor(picture(90), ("place", CAMERA_ID, ""), "yard.jpg")
    own.remove_anchor(everywhere.id)
    assert [each.name for each in own.anchors(CAMERA_ID)] == ["", "yard.jpg"]
    assert Image.open(io.BytesIO(book.jpeg(everywhere.sha256))).size == (64, 36)


def test_what_is_for_admins_only_is_nothing_for_operators(store: Store, tmp_path: Path) -> None:
    book = AnchorBook(store, Objects(str(tmp_path)))
    secret = book.add(picture(10), Use("place", CAMERA_ID, role=Role.ADMIN))
    operator, admin = (sight_of(store, tmp_path, role) for role in (Role.OPERATOR, Role.ADMIN))
    assert operator.anchors(CAMERA_ID) == []
    operator.remove_anchor(secret.id)
    assert [each.id for each in admin.anchors(CAMERA_ID)] == [secret.id]
