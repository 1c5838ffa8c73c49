"""Clips that go on from each other: by what they say, over restarts, and never from the wrong one."""

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import structlog

from cloud import jobs, tails
from cloud.making import NOT_YET_MS
from cloud.render.anchors import Anchors
from cloud.render.clip import fingerprint
from cloud.store import Store
from cloud.tails import encode_tail
from tests.bundles import CAPTIONS
from tests.cloud.desk import Desk
from tests.cloud.sample import CarryingRenderer, Device
from tests.cloud.studio import Studio
from wire.bundle import Bundle
from wire.policy import Policy

SMALL = Policy(long_side_px=64)


@dataclass
class Rooms:
    """Gives studios over one store and one folder of objects: workers that follow each other."""

    store: Store
    folder: Path
    bundle: Bundle

    def studio(self, renderer: CarryingRenderer, policy: Policy = SMALL) -> Studio:
        return Studio(self.store, self.folder, self.bundle, renderer, policy)

    def files(self, kind: str) -> list[str]:
        return sorted(path.stem.split("-")[0] for path in (self.folder / kind).glob("*"))


@pytest.fixture
def rooms(store: Store, tmp_path: Path, bundle: Bundle) -> Rooms:
    return Rooms(store, tmp_path / "objects", bundle)


@pytest.fixture
def filmed(desk: Desk, device: Device) -> Device:
    """Three segments of a second each, at 10 frames a second."""
    desk.birth(device)
    for number in range(3):
        desk.sem(device, device.packet(CAPTIONS[number % 2]))
    return device


@pytest.mark.usefixtures("filmed")
def test_clips_go_on_from_each_other_and_say_so(rooms: Rooms) -> None:
    renderer = CarryingRenderer(start=10)
    studio = rooms.studio(renderer)
    clips = [studio.ask(segment).clip for segment in studio.segments()]
    assert renderer.carried == [None, [17, 18, 19], [27, 28, 29]]
    statements = studio.statements()
    prints = [fingerprint(statement) for statement in statements]
    assert [statement["continues"] for statement in statements] == [None, *prints[:2]]
    assert rooms.files("tails") == rooms.files("clips") == rooms.files("posters") == sorted(prints)
    assert [clip and clip.seam for clip in clips] == [None, 1.0, 1.0]


@pytest.mark.usefixtures("filmed")
def test_a_clip_waits_while_the_one_before_is_made_by_another_worker(rooms: Rooms) -> None:
    def overtake() -> bool:
        if not second.carried and not tried:
            tried.append(other.worker.work())
        return False

    tried = list[bool]()
    first, second = CarryingRenderer(start=10), CarryingRenderer(start=99)
    studio, other = rooms.studio(first), rooms.studio(second)
    with studio.store.write() as session:
        jobs.enqueue(session, 1, studio.now_ms)
        jobs.enqueue(session, 2, studio.now_ms)
    assert studio.worker.work(overtake)
    assert tried == [True], "it took the job, and gave it back"
    assert second.carried == []
    assert [segment.render for segment in studio.segments()] == ["done", "queued", "none"]
    assert not other.worker.work(), "it is looked again in a moment"
    other.now_ms += NOT_YET_MS
    assert other.worker.work()
    assert second.carried == [[17, 18, 19]]
    with studio.store.read() as session:
        assert max(job.attempts for job in jobs.listed(session)) == 1, "having waited is no failure"


@pytest.mark.usefixtures("filmed")
def test_the_frames_that_are_handed_on_bear_no_mark(rooms: Rooms) -> None:
    """The mark is at the top left; the renderer fills the whole frame with one level."""
    studio = rooms.studio(CarryingRenderer(start=100))
    studio.ask(studio.segments()[0])
    (clip,) = (rooms.folder / "clips").iterdir()
    with av.open(str(clip)) as container:
        frame = next(container.decode(video=0)).to_ndarray(format="gray")
    assert np.ptp(frame[:16].astype(int)) > 20, "the clip itself is marked"
    (kept,) = (rooms.folder / "tails").iterdir()
    levels = cv2.imread(str(kept))
    assert levels is not None
    assert levels.shape == (3 * 36, 64, 3)
    assert [set(third.ravel().tolist()) for third in np.split(levels, 3)] == [{107}, {108}, {109}]


@pytest.mark.usefixtures("filmed")
def test_another_worker_goes_on_where_one_stopped(rooms: Rooms) -> None:
    before = rooms.studio(CarryingRenderer())
    before.ask(before.segments()[0])
    renderer = CarryingRenderer()
    after = rooms.studio(renderer)
    after.ask(after.segments()[1])
    assert renderer.carried == [[17, 18, 19]]


@pytest.mark.usefixtures("filmed")
def test_a_clip_made_out_of_order_begins_anew_and_says_so(rooms: Rooms) -> None:
    renderer = CarryingRenderer()
    studio = rooms.studio(renderer)
    studio.ask(studio.segments()[2])
    assert renderer.carried == [None]
    assert [statement["continues"] for statement in studio.statements()] == [None]


@pytest.mark.usefixtures("filmed")
def test_a_clip_is_another_once_the_one_before_is_there(rooms: Rooms) -> None:
    """The same fingerprint is the same clip, so what it goes on from is part of it."""
    studio = rooms.studio(CarryingRenderer())
    studio.ask(studio.segments()[1])
    alone = fingerprint(studio.statements()[0])
    for segment in studio.segments()[:2]:
        studio.ask(segment)
    first, second = studio.statements()
    assert second["continues"] == fingerprint(first)
    assert fingerprint(second) != alone


def test_nothing_goes_on_across_a_cut_or_a_missing_packet(rooms: Rooms, desk: Desk, device: Device) -> None:
    desk.birth(device)
    desk.sem(device, device.packet(CAPTIONS[0]))
    desk.sem(device, device.packet(CAPTIONS[1], cut=True))
    device.packet(CAPTIONS[1])  # never arrives
    desk.sem(device, device.packet(CAPTIONS[0], refresh=True))
    renderer = CarryingRenderer()
    studio = rooms.studio(renderer)
    for segment in studio.segments():
        studio.ask(segment)
    assert renderer.carried == [None, None, None]
    assert [statement["continues"] for statement in studio.statements()] == [None] * 3


def test_clips_go_on_within_their_own_boot(rooms: Rooms, desk: Desk, bundle: Bundle) -> None:
    """Packets of both have the same sequences."""
    for boot in (1, 2):
        device = Device(bundle, boot=boot)
        desk.birth(device)
        for _ in range(2):
            desk.sem(device, device.packet(CAPTIONS[0]))
    renderer = CarryingRenderer()
    studio = rooms.studio(renderer)
    first, second, other, another = sorted(studio.segments(), key=lambda segment: segment.id)
    for segment in (first, other, second, another):
        studio.ask(segment)
    assert renderer.carried == [None, None, [17, 18, 19], [17, 18, 19]]
    statements = {segment.id: studio.statement(segment) for segment in (first, second, other, another)}
    assert statements[second.id]["continues"] == fingerprint(statements[first.id])
    assert statements[another.id]["continues"] == fingerprint(statements[other.id])


@pytest.mark.usefixtures("filmed")
@pytest.mark.parametrize(
    ("name", "policy"),
    [
        pytest.param("carry-2", SMALL, id="another renderer"),
        pytest.param("carry-1", replace(SMALL, steps=2), id="another policy"),
        pytest.param("carry-1", replace(SMALL, anchors=("ab" * 32,)), id="other anchors"),
    ],
)
def test_nothing_goes_on_from_a_clip_that_was_made_otherwise(rooms: Rooms, name: str, policy: Policy) -> None:
    before = rooms.studio(CarryingRenderer())
    before.ask(before.segments()[0])
    renderer = CarryingRenderer(name=name)
    after = rooms.studio(renderer, policy)
    after.ask(after.segments()[1])
    assert renderer.carried == [None]
    assert after.statements()[1]["continues"] is None


@pytest.mark.usefixtures("filmed")
def test_anchors_go_on_from_the_same_anchors(rooms: Rooms) -> None:
    """A list in what was stored, a tuple in what is asked for."""
    policy = replace(SMALL, anchors=("ab" * 32,))
    before = rooms.studio(CarryingRenderer(), policy)
    before.ask(before.segments()[0])
    renderer = CarryingRenderer()
    after = rooms.studio(renderer, policy)
    after.ask(after.segments()[1])
    assert renderer.carried == [[17, 18, 19]]


def huge_png() -> bytes:
    """Make the head of a PNG of 2**40 pixels, which OpenCV answers with an exception."""
    head = b"IHDR" + struct.pack(">IIBBBBB", 2**20, 2**20, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))


@pytest.mark.usefixtures("filmed")
@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda path: path.unlink(), id="gone"),
        pytest.param(lambda path: path.write_bytes(b""), id="empty"),
        pytest.param(lambda path: path.write_bytes(path.read_bytes()[:-20]), id="cut off"),
        pytest.param(lambda path: cv2.imwrite(str(path), np.zeros((37, 64, 3))), id="of another size"),
        pytest.param(lambda path: path.write_bytes(b"no picture"), id="no picture"),
        pytest.param(lambda path: path.write_bytes(huge_png()), id="too large for OpenCV"),
    ],
)
def test_a_tail_that_cannot_be_read_costs_continuity_and_no_more(
    rooms: Rooms, spoil: Callable[[Path], object]
) -> None:
    renderer = CarryingRenderer()
    studio = rooms.studio(renderer)
    studio.ask(studio.segments()[0])
    (path,) = (rooms.folder / "tails").iterdir()
    spoil(path)
    made = studio.ask(studio.segments()[1])
    assert (made.render, made.error, renderer.carried) == ("done", None, [None, None])
    assert studio.statements()[1]["continues"] is None


@pytest.mark.parametrize("shape", [(251, 4000, 2, 3), (257, 1024, 1024, 3), (1, 2, 0, 3)])
def test_a_tail_that_could_not_be_read_is_not_written(shape: tuple[int, ...]) -> None:
    with structlog.testing.capture_logs() as logs:
        assert encode_tail(np.broadcast_to(np.uint8(1), shape)) is None
    assert "the next clip begins anew" in logs[-1]["event"]


@pytest.mark.usefixtures("filmed")
def test_a_clip_that_leaves_no_tail_is_made_and_the_next_begins_anew(
    rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tails, "_MAX_ROWS", 3 * 36 - 1)
    renderer = CarryingRenderer()
    studio = rooms.studio(renderer)
    made = [studio.ask(segment) for segment in studio.segments()[:2]]
    assert [(each.render, each.error) for each in made] == [("done", None)] * 2
    assert renderer.carried == [None, None]
    assert studio.statements()[1]["continues"] is None
    assert rooms.files("tails") == []


@pytest.mark.usefixtures("filmed")
def test_what_cannot_be_kept_whole_is_not_kept(rooms: Rooms) -> None:
    """A file stands where the folder of tails should be: the job waits, and leaves no clip and no poster."""
    studio = rooms.studio(CarryingRenderer())
    (rooms.folder / "tails").write_text("")
    failed = studio.ask(studio.segments()[0])
    assert failed.render == "queued"
    assert failed.error is not None
    assert "tails/" in failed.error
    assert rooms.files("clips") == rooms.files("posters") == []


@pytest.mark.usefixtures("filmed")
def test_a_renderer_that_carries_nothing_leaves_nothing(rooms: Rooms) -> None:
    renderer = CarryingRenderer()
    renderer.carries = 0
    studio = rooms.studio(renderer)
    for segment in studio.segments():
        studio.ask(segment)
    assert renderer.carried == [None] * 3
    assert rooms.files("tails") == []


@pytest.mark.usefixtures("filmed")
def test_anchors_reach_the_renderer_and_the_statement(store: Store, tmp_path: Path, bundle: Bundle) -> None:
    renderer = CarryingRenderer()
    anchors = Anchors(("ab" * 32,), (np.zeros((2, 2, 3), np.uint8),))
    policy = replace(SMALL, anchors=anchors.sha256s)
    studio = Studio(store, tmp_path / "objects", bundle, renderer, policy, anchors)
    studio.ask(studio.segments()[0])
    assert renderer.anchors == [1]
    said = studio.statements()[0]["policy"]
    assert isinstance(said, dict)
    assert said["anchors"] == ["ab" * 32]
