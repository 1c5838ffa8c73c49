"""What tests of updates have in common."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("wire.release.zstd", reason="packs are compressed with it")

from tests.edge.update.station import NEW, OLD, Maker, Release, Shelf, Station, serving


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody wait for the disk of the whole machine."""
    monkeypatch.setattr("os.sync", lambda: None)
    monkeypatch.setattr("os.fsync", lambda _: None)


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    (tmp_path / "shelf").mkdir()
    with serving(tmp_path / "shelf") as made:
        yield made


@pytest.fixture
def maker(shelf: Shelf) -> Maker:
    return Maker(shelf.folder)


@pytest.fixture
def old(maker: Maker) -> Release:
    return maker.agent(OLD, "0.1.0")


@pytest.fixture
def new(maker: Maker, old: Release) -> Release:
    made = maker.agent(NEW, "0.2.0")
    maker.publish(made, old)
    return made


@pytest.fixture
def station(tmp_path: Path, maker: Maker, shelf: Shelf, old: Release) -> Station:
    made = Station(tmp_path / "device", maker, shelf.url)
    made.flash(old)
    return made
