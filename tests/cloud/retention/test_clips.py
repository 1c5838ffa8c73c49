"""Clips whose time is over: rows first, then objects, beside whoever renders and looks.

On SQLite and a folder, PostgreSQL and a folder, PostgreSQL and S3.
"""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from cloud import jobs
from cloud.anchor_book import AnchorBook, Use
from cloud.bundles import Bundles
from cloud.hls.films import Films
from cloud.hls.ledger import Stream
from cloud.hls.recorded import Recorded
from cloud.objects import MissingObjectError, Objects, ObjectsError
from cloud.render.anchors import AnchorError
from cloud.render.jpeg import to_jpeg
from cloud.render.renderer import Context, never
from cloud.retention.orphans import GRACE_MS
from cloud.retention.pruner import Pruner
from cloud.schema import AnchorRow, ClipRow, LiveFragmentRow
from cloud.store import Store
from cloud.terms import Terms
from cloud.viewing import NoClipError, Viewing
from cloud.worker import Worker
from tests.cloud.kinds import on_each_kind
from tests.cloud.retention.archive import DAY_MS, Archive, limits_of
from tests.cloud.sample import CarryingRenderer, MeanRenderer
from tests.cloud.studio import Studio
from wire.bundle import Bundle
from wire.documents import CameraInfo
from wire.policy import Policy
from wire.segment import Segment

ROOT = Path(__file__).resolve().parents[3]


pytestmark = on_each_kind


@pytest.fixture
def archive(any_store: Store, place: str, bundle: Bundle) -> Archive:
    return Archive(any_store, place, bundle)


def jpeg(level: int) -> bytes:
    return to_jpeg(np.full((36, 64, 3), level, np.uint8), 90)


class Meanwhile(MeanRenderer):
    """Something happens while it renders."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        self.meanwhile = meanwhile

    def render(
        self,
        segment: Segment,
        context: Context,
        camera: CameraInfo,
        policy: Policy,
        seed: int,
        cancelled: Callable[[], bool] = never,
    ) -> NDArray[np.uint8]:
        self.meanwhile()
        return super().render(segment, context, camera, policy, seed, cancelled)


class Refusing(Objects):
    """Lets nothing be removed while it `refuses`."""

    refuses = True

    def remove(self, keys: Collection[str]) -> None:
        if self.refuses:
            raise ObjectsError("bucket: access denied")
        super().remove(keys)


def clips(archive: Archive) -> list[int]:
    """Give the sequences of the segments that have a clip."""
    return [each.sequence for each in archive.studio.segments() if each.clip is not None]


def test_old_clips_go_and_their_segments_can_be_rendered_again(archive: Archive) -> None:
    archive.record(2)
    archive.render(0, 1)
    archive.studio.now_ms += DAY_MS
    archive.render(2)
    archive.now_ms += DAY_MS + 500
    gone = archive.prune(clips_days=1)
    assert clips(archive) == [1, 2]
    assert [each.clips for each in gone.cameras.values()] == [1]
    segment = archive.studio.segments()[0]
    assert (segment.render, segment.caption) == ("none", "a red car drives to the left")
    with archive.store.read() as session:
        before = jobs.find(session, f"{segment.id}-1").result_ref
    viewing = Viewing(archive.store, archive.objects, lambda: archive.studio.now_ms)
    with pytest.raises(NoClipError):
        viewing.find(segment.id, "video")
    assert archive.studio.worker.work()
    assert viewing.find(segment.id, "video").size == len(read_video(archive, segment.id))
    with archive.store.read() as session:
        assert jobs.find(session, f"{segment.id}-2").result_ref == before, "the same clip"


def read_video(archive: Archive, segment_id: int) -> bytes:
    with archive.store.read() as session:
        clip = session.get_one(ClipRow, (segment_id, ""))
    return archive.objects.read(clip.video_key, 0, clip.size)


def test_of_too_many_clips_of_a_camera_the_oldest_go(archive: Archive) -> None:
    archive.record(2)
    archive.record(1, camera="yard")
    archive.render(3, 0, 6, 4)
    with archive.store.read() as session:
        sizes = session.scalars(select(ClipRow.size).order_by(ClipRow.made_ms)).all()
    archive.now_ms = archive.studio.now_ms
    gone = archive.prune(clips_bytes_per_camera=sizes[1] + sizes[3])
    assert clips(archive) == [0, 4], "the camera's first one, in the order in which they were made"
    assert [each.clip_bytes for each in gone.cameras.values()] == [sizes[0]]
    assert archive.files() == [".jpg"] * 3 + [".mp4"] * 3


def test_what_a_live_view_has_just_shown_stays_for_an_hour(archive: Archive) -> None:
    archive.record(1)
    archive.render(0, 1)
    archive.now_ms += DAY_MS
    with archive.store.write() as session:
        session.add(listed(archive.packet_id(1), archive.now_ms))
    archive.prune(clips_days=0.5)
    assert clips(archive) == [1]
    archive.now_ms += 3_600_001
    archive.prune(clips_days=0.5)
    assert clips(archive) == []


def listed(packet_id: int, at_ms: int) -> LiveFragmentRow:
    return LiveFragmentRow(
        camera_id=1, number=1, packet_id=packet_id, tag="a", piece=0, init_id="b", timescale=1, base_ticks=0,
        ticks=1, start_ms=0, era=0, stored_ms=at_ms, listed_ms=at_ms,
    )  # fmt: skip


def test_a_segment_that_is_removed_while_it_is_rendered_leaves_nothing(archive: Archive) -> None:
    archive.record(2)
    archive.now_ms += DAY_MS
    renderer = Meanwhile(lambda: archive.prune(packets_days=0.5))
    studio = Studio(archive.store, archive.place, archive.bundle, renderer)
    with archive.store.write() as session:
        jobs.enqueue(session, archive.packet_id(0), studio.now_ms)
    assert studio.worker.work()
    assert archive.sequences() == [3, 4, 5]
    assert (archive.jobs(), archive.files()) == ([], [])


def test_a_clip_that_is_made_anew_while_the_old_one_goes_stays(archive: Archive) -> None:
    """What was found to be old is looked at again where it is removed."""
    archive.record(1)
    archive.render(0)
    archive.now_ms += DAY_MS
    pruner = archive.pruner(clips_days=0.5)
    with archive.store.write() as session:
        session.get_one(ClipRow, (archive.packet_id(0), "")).made_ms = archive.now_ms
    assert pruner.prune(archive.now_ms).count() == 0
    assert archive.files() == [".jpg", ".mp4"]


def test_tails_go_with_their_clips_and_the_next_clip_begins_anew(archive: Archive) -> None:
    archive.studio = Studio(archive.store, archive.place, archive.bundle, CarryingRenderer())
    archive.record(2, size=1)
    archive.render(0)
    assert archive.files() == [".jpg", ".mp4", ".png"]
    archive.now_ms += DAY_MS
    archive.prune(clips_days=0.5)
    assert archive.files() == []
    archive.render(1)
    (said,) = archive.studio.statements()
    assert said["continues"] is None


@pytest.mark.parametrize("kept", [True, False])
def test_an_interval_is_played_while_its_clips_go(archive: Archive, *, kept: bool) -> None:
    """Who has the playlist gets the films that are there, or is told that they are not; never half of one."""
    archive.record(1)
    archive.render(0, 1, 2)
    films = Films(archive.objects)
    recorded = Recorded(archive.store, films, lambda: archive.now_ms)
    segments = archive.studio.segments()
    first, last = segments[0].start_ms, segments[-1].start_ms + 1_000
    listing = recorded.recording(Stream(1), first, last)
    assert listing.whole
    archive.now_ms += DAY_MS
    archive.prune(clips_days=2 if kept else 0.5)
    anew = Recorded(archive.store, Films(archive.objects), lambda: archive.now_ms)
    again = anew.recording(Stream(1), first, last)
    assert again.whole == kept, "what is gone has been asked for"
    assert (len(again.fragments) == len(listing.fragments)) == kept


def test_a_process_that_dies_between_rows_and_objects_leaves_them_to_a_sweep(
    store_url: str, archive: Archive
) -> None:
    archive.record(2)
    archive.render(0, 4)
    archive.now_ms += 2 * DAY_MS
    command = [sys.executable, "-m", "tests.cloud.retention.deadly", store_url, str(archive.place)]
    died = subprocess.run([*command, str(archive.now_ms)], cwd=ROOT, capture_output=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    assert (clips(archive), archive.files()) == ([4], [".jpg", ".jpg", ".mp4", ".mp4"])
    archive.now_ms = archive.last_written_ms() + GRACE_MS + 1
    gone = Pruner(archive.store, archive.objects, limits_of(), lambda: archive.now_ms).prune(archive.now_ms)
    assert gone.orphans == 2
    assert (clips(archive), archive.files()) == ([4], [".jpg", ".mp4"])


def test_a_sweep_leaves_alone_what_is_being_uploaded_and_what_is_not_ours(archive: Archive) -> None:
    """A clip's objects are there before its row."""
    foreign = "clips/holiday.mp4"
    archive.objects.put(foreign, b"film")
    archive.objects.put(f"clips/{'a' * 64}-1.mp4", b"film")
    archive.now_ms = archive.last_written_ms()
    assert archive.prune().orphans == 0
    assert archive.files() == [".mp4", ".mp4"]
    archive.now_ms += GRACE_MS + 1
    assert archive.prune().orphans == 1
    assert archive.objects.read(foreign, 0, 4) == b"film"


def test_objects_that_cannot_be_removed_stop_nothing_and_go_later(archive: Archive) -> None:
    archive.record(3)
    archive.render(0, 3, 6)
    archive.now_ms += DAY_MS
    objects = Refusing(str(archive.place))
    pruner = Pruner(archive.store, objects, limits_of(packets_days=0.5), lambda: archive.now_ms)
    pruner.prune(archive.now_ms)
    assert archive.sequences() == [6, 7, 8]
    assert archive.files() == [".jpg"] * 3 + [".mp4"] * 3
    archive.now_ms = archive.last_written_ms() + GRACE_MS + 1
    assert pruner.prune(archive.now_ms).orphans == 0
    objects.refuses = False
    assert pruner.prune(archive.now_ms).orphans == 4
    assert archive.files() == [".jpg", ".mp4"]


def test_a_picture_that_could_not_be_removed_with_its_last_use_goes_later(archive: Archive) -> None:
    objects = Refusing(str(archive.place))
    book = AnchorBook(archive.store, objects)
    going, staying = (book.add(jpeg(level), Use("place")) for level in (30, 200))
    with pytest.raises(ObjectsError):
        book.remove(going.id)
    objects.refuses = False
    pruner = Pruner(archive.store, objects, limits_of(), lambda: archive.now_ms)
    written_ms = archive.last_written_ms()
    assert pruner.prune(written_ms).orphans == 0, "it may be that one who adds it is about to write its row"
    archive.now_ms = written_ms + GRACE_MS + 1
    assert archive.forecast().orphans == 1
    assert pruner.prune(archive.now_ms).orphans == 1
    assert book.jpeg(staying.sha256)
    with pytest.raises(AnchorError):
        book.jpeg(going.sha256)


class Overtaken(Store):
    """Somebody does something before its first transaction that writes."""

    meanwhile: Callable[[], object] | None = None

    @contextmanager
    def write(self) -> Iterator[Session]:
        overtake, self.meanwhile = self.meanwhile, None
        if overtake is not None:
            overtake()
        with super().write() as session:
            yield session


def test_a_picture_that_is_added_again_while_it_is_swept_stays(store_url: str, archive: Archive) -> None:
    book = AnchorBook(archive.store, archive.objects)
    picture = book.add(jpeg(30), Use("place"))
    with archive.store.write() as session:
        session.execute(delete(AnchorRow))
    store = Overtaken(store_url)
    store.meanwhile = lambda: book.add(jpeg(30), Use("place"))
    later_ms = archive.last_written_ms() + GRACE_MS + 1
    assert Pruner(store, archive.objects, limits_of()).prune(later_ms).orphans == 0
    assert store.meanwhile is None, "it came in between"
    store.close()
    assert book.jpeg(picture.sha256)


def work_to_the_end(archive: Archive, worker: Worker) -> None:
    """Do all jobs: one that somebody who removes has locked just now is passed over, and is there later."""
    while archive.unfinished():
        if not worker.work():
            time.sleep(0.01)


def test_workers_render_while_two_processes_remove(archive: Archive) -> None:
    """Whatever comes first, each row has its objects, and nothing else is there."""
    archive.record(12)
    with archive.store.write() as session:
        for sequence in range(36):
            jobs.enqueue(session, archive.packet_id(sequence), archive.now_ms)
    archive.now_ms += DAY_MS
    troubles = list[BaseException]()

    def work() -> None:
        bundles = Bundles([archive.bundle], lambda _bundle, _threads: MeanRenderer())
        worker = Worker(archive.store, archive.objects, bundles, Terms.of(Policy(long_side_px=64)))
        work_to_the_end(archive, worker)

    def watched(task: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            try:
                task()
            except Exception as error:  # noqa: BLE001 -- told to the test
                troubles.append(error)

        return run

    tasks = [work, work, *[lambda: archive.prune(packets_days=0.5)] * 2]
    threads = [threading.Thread(target=watched(task), name="task") for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(240)
    assert not any(thread.is_alive() for thread in threads)
    assert troubles == []
    assert archive.sequences() == [33, 34, 35]
    assert archive.counted() == archive.measured()
    assert archive.files() == [".jpg"] * 3 + [".mp4"] * 3
    with archive.store.read() as session:
        for clip in session.scalars(select(ClipRow)):
            assert archive.objects.size(clip.video_key) == clip.size


def test_a_viewer_who_comes_between_row_and_object_is_told_so(archive: Archive) -> None:
    archive.record(1)
    archive.render(0)
    viewing = Viewing(archive.store, archive.objects)
    stored = viewing.find(archive.packet_id(0), "video")
    archive.now_ms += DAY_MS
    archive.prune(clips_days=0.5)
    with pytest.raises(MissingObjectError):
        viewing.read(stored, 0, stored.size)
    with pytest.raises(NoClipError):
        viewing.find(archive.packet_id(0), "video")
