"""What the page says of how sure a clip is, in a real browser; and a clip that it gives away is checked."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from typer.testing import CliRunner

from mirage.cli import app
from tests.bundles import CAPTIONS
from tests.cloud.peer import connected
from tests.cloud.sample import Device
from tests.cloud.site import DESK, NEEDS_CHROMIUM, Site, chromium, keep_picture, running_site
from wire.bundle import Bundle

pytestmark = NEEDS_CHROMIUM
PATIENCE_MS = 60_000


def mirage(*arguments: object) -> str:
    result = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Iterator[Site]:
    """Run a cloud that signs, whose renderer draws no more than a colour: the shipped encoder notices."""
    folder: Path = tmp_path_factory.mktemp("site")
    mirage("cloud", "provenance-key", "new", "-o", folder / "provenance.key")
    bundle = Bundle.load(tiny, "cloud")
    with running_site(folder, bundle, more='[provenance]\nkey = "provenance.key"\n') as running:
        device = Device(bundle, shape=(24, 8, 8))
        with connected(running.broker.port, "devices") as peer:
            now_ms = time.time_ns() // 1_000_000 - 60_000
            peer.publish(device.topics.birth, device.birth(now_ms), retain=True)
            for caption in CAPTIONS[:2]:
                packet = device.packet(caption)
                peer.publish(device.topics.sem("gate"), device.frame(packet, "gate"))
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


@pytest.fixture
def page(browser: Browser, site: Site) -> Iterator[Page]:
    opened = browser.new_page(viewport=DESK)
    opened.set_default_timeout(60_000)
    opened.goto(site.address)
    yield opened
    opened.close()


def test_low_confidence_is_said_in_words_beside_the_clip_and_in_the_timeline(page: Page) -> None:
    shown = page.locator(".confidence .doubt")
    expect(shown).to_be_visible(timeout=PATIENCE_MS)
    expect(shown).to_contain_text("Low confidence, ")
    expect(shown).to_contain_text("the picture may not show what was received")
    expect(page.locator("button.card .tag.doubt").first).to_have_text("low confidence", timeout=PATIENCE_MS)
    keep_picture(page, "confidence")


def test_who_signed_it_is_among_how_it_was_made(page: Page, site: Site) -> None:
    expect(page.locator(".confidence")).to_contain_text("onfidence", timeout=PATIENCE_MS)
    page.get_by_text("how this clip was made").click()
    (key,) = page.request.get(f"{site.address}/api/v1/provenance-keys").json()
    listed = page.locator(".statement dt", has_text="Signed").locator("+ dd")
    expect(listed).to_have_text(f"Ed25519, key {key['key']}")


def test_a_downloaded_clip_is_genuine(page: Page, site: Site, tmp_path: Path) -> None:
    expect(page.locator(".confidence")).to_contain_text("onfidence", timeout=PATIENCE_MS)
    with page.expect_download() as downloading:
        page.get_by_role("link", name="Download MP4").click()
    film, keys = tmp_path / "film.mp4", tmp_path / "keys.pem"
    downloading.value.save_as(film)
    keys.write_bytes(page.request.get(f"{site.address}/api/v1/provenance-keys.pem").body())
    said = mirage("cloud", "verify", film, "--key", keys)
    assert "genuine, signed with key" in said
    assert "LOW: the picture may not show what was received" in said
    assert "in force: long_side_px 128" in said
