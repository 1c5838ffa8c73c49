"""Intervals: what is asked for, and what is refused."""

from pathlib import Path

import pytest

from cloud.hls.films import Films
from cloud.hls.ledger import Ledger, Stream
from cloud.hls.recorded import IntervalError, Recorded
from cloud.jobs import listed
from cloud.store import Store
from tests.cloud.desk import NOW_MS, Desk
from tests.cloud.hls.cinema import Cinema, clip
from tests.cloud.sample import BOOT_WALL_MS, Device
from wire.bundle import Bundle

GATE = "acme/north/jetson-1/gate"


class Archive:
    """Three segments of a second each, of which none is rendered."""

    def __init__(self, store: Store, bundle: Bundle, folder: Path) -> None:
        desk, device = Desk(store, [bundle]), Device(bundle)
        desk.birth(device)
        for _ in range(3):
            desk.sem(device, device.packet())
        self.store = store
        self.cinema = Cinema(store, folder)
        self.camera_id = Ledger(store).camera_id(GATE)
        self.recorded = self.of_at_most(450)

    def of_at_most(self, most: int) -> Recorded:
        return Recorded(self.store, Films(self.cinema.objects), lambda: NOW_MS, most)


@pytest.fixture
def archive(any_store: Store, bundle: Bundle, tmp_path: Path) -> Archive:
    return Archive(any_store, bundle, tmp_path / "objects")


def test_what_is_missing_is_asked_for_as_events_are(archive: Archive) -> None:
    found = archive.recorded.recording(Stream(archive.camera_id), BOOT_WALL_MS, BOOT_WALL_MS + 2_000)
    assert (list(found.fragments), found.whole) == ([], False)
    with archive.store.read() as session:
        jobs = {(job.segment, job.lane, job.asked_ms) for job in listed(session)}
    assert jobs == {(1, "event", NOW_MS), (2, "event", NOW_MS)}


def test_a_segment_that_only_touches_is_not_shown(archive: Archive) -> None:
    for number in (1, 2, 3):
        archive.cinema.render(number, clip(50, 10))
    found = archive.recorded.recording(Stream(archive.camera_id), BOOT_WALL_MS + 1_000, BOOT_WALL_MS + 2_000)
    assert ([each.packet_id for each in found.fragments], found.whole) == ([2], True)


def test_a_clip_that_cannot_be_read_is_left_out(archive: Archive) -> None:
    archive.cinema.render(1, clip(50, 10))
    archive.cinema.render(2, b"no film")
    archive.cinema.render(3, clip(90, 10))
    found = archive.recorded.recording(Stream(archive.camera_id), BOOT_WALL_MS, BOOT_WALL_MS + 3_000)
    assert [(each.packet_id, each.era) for each in found.fragments] == [(1, 0), (3, 1)]
    assert found.whole


@pytest.mark.parametrize(
    ("to_ms", "most", "why"),
    [
        pytest.param(BOOT_WALL_MS, 450, "expected more than from_ms", id="empty"),
        pytest.param(BOOT_WALL_MS + 3_000, 2, "more than 2 segments", id="long"),
    ],
)
def test_an_interval_that_makes_no_sense_is_refused(
    archive: Archive, to_ms: int, most: int, why: str
) -> None:
    with pytest.raises(IntervalError, match=why):
        archive.of_at_most(most).recording(Stream(archive.camera_id), BOOT_WALL_MS, to_ms)
