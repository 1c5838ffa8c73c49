"""Live views over a real store, round by round; clips are rendered when the test says so."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from cloud.catalog import UnknownCameraError
from cloud.hls.films import Films
from cloud.hls.live import Live
from cloud.hls.playlist import HOLD, LIVE, playlist
from cloud.hls.reel import Fragment
from cloud.hls.report import report
from cloud.store import Store
from tests.cloud.desk import Desk
from tests.cloud.hls.cinema import Cinema, clip, still
from tests.cloud.sample import BOOT_WALL_MS, Device
from wire import documents
from wire.bundle import Bundle
from wire.documents import State

GATE = "acme/north/jetson-1/gate"


class Scene:
    """A camera, its viewers and its renderer, on one clock that the test moves."""

    def __init__(self, desk: Desk, device: Device, folder: Path) -> None:
        self.desk, self.device = desk, device
        self.cinema = Cinema(desk.store, folder)
        self.now_ms = BOOT_WALL_MS
        self.live = self.process()
        desk.birth(device)
        self.tell("ready")

    def process(self) -> Live:
        """Start another serving process over the same store and objects."""
        return Live(self.desk.store, Films(self.cinema.objects), lambda: self.now_ms)

    def tell(self, state: Literal["ready", "sleeping", "lost"]) -> None:
        document = documents.encode(State(state, self.device.boot_hex))
        self.desk.deliver(self.device.topics.state, document, self.now_ms)

    def send(self, duration_ms: int = 2000, *, is_still: bool = False, start_ms: int | None = None) -> int:
        """Have a segment that ends now arrive; give its id. Time passes with it."""
        before = self.device.previous.get("gate")
        if start_ms is None:
            start_ms = 0 if before is None else before.start_ms + before.duration_ms
        self.now_ms = max(self.now_ms, BOOT_WALL_MS + start_ms + duration_ms)
        packet = self.device.packet(start_ms=start_ms, duration_ms=duration_ms, still=is_still)
        topic = self.device.topics.sem("gate")
        self.desk.deliver(topic, self.device.frame(packet), self.now_ms)
        return packet.sequence + 1

    def look(self, live: Live | None = None, passed_ms: int = 0) -> list[Fragment]:
        """Fetch the playlist, let a round do its work, and fetch it again."""
        self.now_ms += passed_ms
        live = live or self.live
        camera_id = live.watch(GATE)
        live.round()
        return list(live.fragments(camera_id))

    def shown(self, live: Live | None = None) -> list[int]:
        """Give the segments on the playlist."""
        return [fragment.packet_id for fragment in self.look(live)]


@pytest.fixture
def scene(desk: Desk, device: Device, tmp_path: Path) -> Scene:
    return Scene(desk, device, tmp_path / "objects")


@pytest.fixture
def scene_anywhere(any_store: Store, bundle: Bundle, device: Device, tmp_path: Path) -> Scene:
    return Scene(Desk(any_store, [bundle]), device, tmp_path / "objects")


def test_nothing_is_rendered_while_nobody_looks(scene: Scene) -> None:
    scene.send()
    scene.send()
    scene.live.round()
    assert scene.cinema.jobs() == {}


def test_who_looks_has_the_newest_rendered_and_then_what_comes(scene: Scene) -> None:
    for _ in range(4):
        scene.send()
    assert scene.shown() == []
    assert scene.cinema.jobs() == {3: "queued"}, "its successor is here, that of the newest is awaited"
    scene.cinema.render(3, clip(20, 20))
    scene.send()
    assert scene.shown() == [3]
    assert scene.cinema.jobs() == {3: "done", 4: "queued"}
    scene.cinema.render(4, clip(40, 20))
    assert scene.shown() == [3, 4]


def test_the_newest_is_not_awaited_for_ever(scene: Scene) -> None:
    scene.send()
    assert scene.look() == []
    scene.look(passed_ms=2_500)
    assert scene.cinema.jobs() == {1: "queued"}


def test_an_unknown_camera_is_refused(scene: Scene) -> None:
    with pytest.raises(UnknownCameraError):
        scene.live.watch("acme/north/jetson-1/roof")


def test_segments_follow_without_a_gap_and_with_their_time(scene: Scene) -> None:
    for _ in range(2):
        scene.cinema.render(scene.send(), clip(20, 20))
        scene.look()
    one, two = scene.look()
    assert (one.number, two.number, two.era) == (0, 1, 0)
    assert two.base_ticks == one.base_ticks + one.ticks
    assert (one.start_ms, two.start_ms) == (BOOT_WALL_MS, BOOT_WALL_MS + 2_000)


def test_what_is_not_rendered_in_time_is_left_out_and_counted(scene: Scene) -> None:
    scene.cinema.render(scene.send(), clip(20, 20))
    scene.look()
    slow = scene.send()
    for _ in range(2):
        scene.send()
        scene.look()
    assert scene.cinema.jobs()[slow] == "late", "what nobody will see is not rendered"
    scene.cinema.render(3, clip(60, 20))
    first, second = scene.look()
    assert (first.packet_id, second.packet_id) == (1, 3)
    assert (first.era, second.era) == (0, 1)
    assert second.base_ticks == first.base_ticks + first.ticks, "nobody waits for what is missing"
    assert second.start_ms == BOOT_WALL_MS + 4_000
    assert "#EXT-X-DISCONTINUITY\n" in playlist([first, second], LIVE)
    assert report(scene.live.ledger, scene.live.stream(GATE)).late == 1


def test_a_renderer_that_keeps_up_holds_the_view_within_three_segments(scene: Scene) -> None:
    """Nearly two seconds for two: nothing is left out, and what is shown is never three behind."""
    behind_ms = []
    for _ in range(12):
        scene.send()
        for _ in range(3):
            scene.look(passed_ms=600)
        for packet_id, state in scene.cinema.jobs().items():
            if state == "queued":
                scene.cinema.render(packet_id, clip(20, 20))
        shown = scene.look()
        if shown:
            behind_ms.append(scene.now_ms - shown[-1].start_ms - 2_000)
    assert max(behind_ms) < 3 * 2_000
    assert report(scene.live.ledger, scene.live.stream(GATE)).late == 0


def test_a_slow_renderer_shows_what_it_can(scene: Scene) -> None:
    """Five seconds for two: every third segment or so is shown, and the view stays near what has come."""
    rendering, ready_ms, behind = None, 0, []
    for _ in range(20):
        newest = scene.send()
        for _ in range(4):
            scene.look(passed_ms=500)
            if rendering is not None and scene.now_ms >= ready_ms:
                scene.cinema.render(rendering, clip(20, 20))
                rendering = None
            queued = [packet for packet, state in scene.cinema.jobs().items() if state == "queued"]
            if rendering is None and queued:
                rendering, ready_ms = min(queued), scene.now_ms + 5_000
                scene.cinema.set_state(rendering, "running")
        shown = scene.shown()
        if shown:
            behind.append(newest - shown[-1])
    told = report(scene.live.ledger, scene.live.stream(GATE))
    assert told.fragments >= 6
    assert told.late >= 8
    assert max(behind) <= 6


def test_a_clip_that_failed_is_left_out(scene: Scene) -> None:
    for _ in range(3):
        scene.send()
    scene.look()
    scene.cinema.set_state(2, "dead")
    scene.cinema.render(3, clip(20, 20))
    assert scene.shown() == [3]
    assert report(scene.live.ledger, scene.live.stream(GATE)).failed == 1


def test_a_clip_that_cannot_be_read_is_left_out(scene: Scene) -> None:
    scene.cinema.render(scene.send(), b"no film")
    scene.cinema.render(scene.send(), clip(20, 20))
    assert scene.shown() == [2]


def test_several_processes_have_the_same_playlist(scene_anywhere: Scene) -> None:
    scene = scene_anywhere
    other = scene.process()
    for number in range(5):
        scene.cinema.render(scene.send(), clip(20 + number, 20))
        scene.look(other if number % 2 else scene.live)
    mine, theirs = scene.look(), scene.look(other)
    assert [fragment.number for fragment in mine] == [0, 1, 2, 3, 4]
    assert playlist(mine, LIVE) == playlist(theirs, LIVE)


def test_rounds_of_several_processes_at_once_show_everything_once(scene_anywhere: Scene) -> None:
    scene = scene_anywhere
    processes = [scene.process() for _ in range(4)]
    for live in processes:
        live.watch(GATE)
    for number in range(6):
        scene.cinema.render(scene.send(), clip(20 + number, 20))
        threads = [threading.Thread(target=live.round, name="round") for live in processes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert scene.shown() == [1, 2, 3, 4, 5, 6]


def test_a_restarted_process_goes_on_where_the_stream_was(scene: Scene) -> None:
    for _ in range(3):
        scene.cinema.render(scene.send(), clip(20, 20))
        before = scene.look()
    scene.live = scene.process()
    scene.cinema.render(scene.send(), clip(20, 20))
    after = scene.look()
    assert after[:3] == before
    assert after[3].number == before[-1].number + 1


def test_who_comes_back_after_a_while_sees_the_present(scene: Scene) -> None:
    for _ in range(3):
        scene.cinema.render(scene.send(), clip(20, 20))
        scene.look()
    for _ in range(10):
        scene.send()
        scene.live.round()
    assert 13 not in scene.cinema.jobs(), "nobody looked"
    late = report(scene.live.ledger, scene.live.stream(GATE)).late
    scene.cinema.render(13, clip(90, 20))
    (fragment,) = [each for each in scene.look() if each.packet_id == 13]
    assert fragment.number >= 3, "numbers are never given twice"
    assert fragment.era >= 1
    assert scene.shown() == [13], "what was shown long ago is not the present"
    assert report(scene.live.ledger, scene.live.stream(GATE)).late == late, "nobody missed the others"


def test_a_viewer_who_left_stops_the_rendering(scene: Scene) -> None:
    scene.send()
    scene.send()
    scene.look()
    assert scene.cinema.jobs() == {1: "queued"}
    scene.now_ms += 12_000
    scene.live.round()
    assert scene.cinema.jobs() == {1: "cancelled"}
    scene.send(start_ms=14_000)
    scene.send()
    scene.live.round()
    assert len(scene.cinema.jobs()) == 1


def test_a_wish_of_someone_else_is_not_withdrawn(scene: Scene) -> None:
    scene.send()
    scene.send()
    other = scene.process()
    scene.look(other)
    scene.look()
    scene.now_ms += 12_000
    scene.live.round()
    assert scene.cinema.jobs() == {1: "queued"}, "the other process asked for it first"


def test_a_still_minute_shows_its_end(scene: Scene) -> None:
    scene.cinema.render(scene.send(), clip(20, 20))
    scene.look()
    minute = scene.send(60_000, is_still=True)
    scene.cinema.render(minute, still(39, 600))
    first, *rest = scene.look()
    assert [fragment.packet_id for fragment in rest] == [minute] * 2
    assert [fragment.piece for fragment in rest] == [28, 29]
    assert rest[0].start_ms == BOOT_WALL_MS + 58_000
    assert rest[0].base_ticks == first.base_ticks + first.ticks


def test_the_last_picture_is_held_while_nothing_moves(scene: Scene) -> None:
    scene.cinema.render(scene.send(), clip(20, 20))
    scene.look()
    fragments = scene.look(passed_ms=3_900)
    assert [fragment.piece for fragment in fragments] == [0]
    for _ in range(3):
        fragments = scene.look(passed_ms=2_000)
    assert [fragment.piece for fragment in fragments] == [0, HOLD, HOLD, HOLD]
    assert {fragment.era for fragment in fragments} == {0}, "the same picture goes on"
    assert fragments[-1].start_ms == BOOT_WALL_MS + 6_000
    assert report(scene.live.ledger, scene.live.stream(GATE)).held == 3


def test_a_still_picture_is_held_by_its_own_piece(scene: Scene) -> None:
    scene.cinema.render(scene.send(is_still=True), still(39, 20))
    scene.look()
    one, again = scene.look(passed_ms=4_000)
    assert (again.packet_id, again.piece) == (one.packet_id, one.piece)
    assert again.base_ticks == one.base_ticks + one.ticks


def test_what_was_held_is_not_shown_again(scene: Scene) -> None:
    scene.cinema.render(scene.send(), clip(20, 20))
    scene.look()
    for _ in range(4):
        scene.look(passed_ms=2_500)
    fragments = scene.look()
    held_until_ms = fragments[-1].start_ms + 2_000 - BOOT_WALL_MS
    assert held_until_ms > 2_000
    quiet = scene.send(12_000, is_still=True, start_ms=2_000)
    scene.cinema.render(quiet, still(39, 120))
    more = scene.look()[len(fragments) :]
    assert [fragment.packet_id for fragment in more] == [quiet] * len(more)
    assert 1 <= len(more) <= 2, "the rest of it was held, or is long ago"


@pytest.mark.parametrize("state", ["lost", "sleeping"])
def test_nothing_is_held_of_a_device_that_is_away(scene: Scene, state: Literal["sleeping", "lost"]) -> None:
    scene.cinema.render(scene.send(), clip(20, 20))
    scene.look()
    scene.tell(state)
    assert len(scene.look(passed_ms=10_000)) == 1


def test_nothing_is_held_for_longer_than_a_camera_may_be_silent(scene: Scene) -> None:
    scene.cinema.render(scene.send(), clip(20, 20))
    scene.look()
    for _ in range(50):
        scene.look(passed_ms=2_000)
    told = report(scene.live.ledger, scene.live.stream(GATE))
    assert 25 <= told.held <= 33


def test_another_boot_is_a_discontinuity(scene: Scene, bundle: Bundle) -> None:
    scene.cinema.render(scene.send(), clip(20, 20))
    scene.look()
    again = Device(bundle, boot=2)
    scene.desk.deliver(again.topics.birth, again.birth(BOOT_WALL_MS + 10_000), scene.now_ms)
    scene.device = again
    scene.now_ms += 10_000
    packet = again.packet(duration_ms=2000)
    scene.desk.deliver(again.topics.sem("gate"), again.frame(packet), scene.now_ms)
    scene.cinema.render(2, clip(60, 20))
    first, second = scene.look()
    assert (second.era, second.number) == (first.era + 1, 1)
    assert second.start_ms == BOOT_WALL_MS + 10_000


def test_another_size_has_its_own_init_after_a_discontinuity(scene: Scene) -> None:
    scene.cinema.render(scene.send(), clip(20, 20))
    scene.look()
    scene.cinema.render(scene.send(), clip(40, 20, width=96))
    first, second = scene.look()
    assert second.era == first.era + 1
    assert second.init_id != first.init_id
    assert playlist([first, second], LIVE).count("#EXT-X-MAP") == 2
    assert scene.live.films.init(second.init_id) == scene.process().films.init(second.init_id)


def test_backlog_is_not_live(scene: Scene) -> None:
    scene.cinema.render(scene.send(), clip(20, 20))
    scene.look()
    packet = replace(scene.device.packet(duration_ms=2000), historical=True)
    scene.desk.deliver(scene.device.topics.sem("gate"), scene.device.frame(packet), scene.now_ms)
    scene.send()
    scene.look()
    assert 2 not in scene.cinema.jobs()


def test_the_report_tells_when_segments_became_playable(scene: Scene) -> None:
    number = scene.send()
    stored_ms = scene.now_ms
    scene.now_ms += 700
    scene.cinema.render(number, clip(20, 20))
    scene.look()
    (listed,) = report(scene.live.ledger, scene.live.stream(GATE)).recent
    assert (listed.segment, listed.stored_ms, listed.listed_ms) == (number, stored_ms, stored_ms + 700)


def test_a_playlist_does_not_grow_for_ever(scene: Scene, store: Store) -> None:
    numbers: list[int] = []
    for number in range(80):
        scene.cinema.render(scene.send(), clip(20 + number % 3, 20))
        numbers = [fragment.number for fragment in scene.look()]
    assert numbers == list(range(68, 80))
    assert len(scene.live.ledger.window(scene.live.watch(GATE), 1000)) <= 65
    store.check()
