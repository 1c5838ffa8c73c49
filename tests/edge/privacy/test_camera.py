"""A camera that cannot be redacted gives nothing at all."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.frame import Frame, SourceInfo
from edge.graph import RunError
from edge.privacy.camera import RedactedCamera, Rules
from edge.privacy.detectors import NONE, Boxes, Detectors
from edge.privacy.masks import FILL
from edge.privacy.model_files import DetectorError
from wire.policy.zones import Zone

ZONE = Zone(box=(0.5, 0.0, 1.0, 1.0))
BOX: Boxes = np.array([[0.25, 0.25, 0.5, 0.5]], np.float32)


class Film:
    """Frames of one brightness each, eight a second."""

    def __init__(self, count: int = 10, resumed: Sequence[int] = (), *, live: bool = False) -> None:
        self.info = SourceInfo(40, 40, 8.0, None, None, live=live)
        self.end_us = count * 125_000
        self.frames_read = count
        self.attempts = 1
        self._resumed = resumed

    def __iter__(self) -> Iterator[Frame]:
        for at in range(self.frames_read):
            yield Frame(at * 125_000, np.full((40, 40, 3), 10 + at, np.uint8), resumed=at in self._resumed)

    def close(self) -> None:
        self.frames_read = 0


class Finder:
    """Finds a box in frames 4 and 5; some frames it fails at."""

    def __init__(self, fails: Sequence[int] = (), error: BaseException | None = None) -> None:
        self._fails = fails
        self._error = error or DetectorError("no sense")
        self.seen = list[int]()

    def find(self, rgb: NDArray[np.uint8]) -> Boxes:
        at = int(rgb[0, 0, 0]) - 10
        self.seen.append(at)
        if at in self._fails:
            raise self._error
        return BOX if at in (4, 5) else NONE


class Office:
    """Says what holds, and notes what it hears."""

    def __init__(self, finder: Finder | None = None, zones: tuple[Zone, ...] = ()) -> None:
        self._detectors = Detectors({} if finder is None else {"faces": finder})
        self._zones = zones
        self.closed = frozenset[int]()
        self.asked = -1
        self.heard = list[tuple[str | None, int]]()

    def rules(self, camera: str) -> Rules:
        assert camera == "door"
        self.asked += 1
        return Rules(self._zones, self._detectors, self.asked not in self.closed)

    def report(self, camera: str, trouble: str | None, at_ms: int) -> None:
        assert camera == "door"
        self.heard.append((trouble, at_ms))


def watched(office: Office, film: Film | None = None, took_s: Sequence[float] = ()) -> list[Frame]:
    """Give the frames that pass; looking at the first ones takes so long."""
    moments, now_s = iter(took_s), [0.0]

    def clock() -> float:
        now_s[0] += next(moments, 0.0)
        return now_s[0]

    return list(RedactedCamera("door", film or Film(), office, 40, clock))


def numbers(frames: Sequence[Frame]) -> list[int]:
    return [frame.captured_us // 125_000 for frame in frames]


def hidden(frame: Frame) -> float:
    return float((frame.rgb == FILL).all(axis=2).mean())


def test_every_frame_is_looked_at_and_given_once_in_order() -> None:
    finder = Finder()
    frames = watched(Office(finder))
    assert finder.seen == list(range(10))
    assert numbers(frames) == list(range(10))
    assert not any(frame.resumed for frame in frames)


def test_a_box_hides_its_place_before_and_after_it_was_found() -> None:
    shares = [hidden(frame) for frame in watched(Office(Finder()), Film(14))]
    assert [share > 0 for share in shares] == [False] * 2 + [True] * 10 + [
        False
    ] * 2  # 2 before, 750 ms after


def test_zones_hide_without_delay_and_whatever_detectors_say() -> None:
    frames = watched(Office(zones=(ZONE,)))
    assert numbers(frames) == list(range(10))
    assert all((frame.rgb[:, 20:] == FILL).all() for frame in frames)
    assert all((frame.rgb[:, :18] != FILL).all() for frame in frames)


@pytest.mark.parametrize(
    "error", [DetectorError("no sense"), RunError("a graph failed"), ValueError("shape")]
)
def test_a_frame_that_cannot_be_looked_at_is_withheld_with_those_that_wait_for_it(error: Exception) -> None:
    office = Office(Finder([6], error))
    frames = watched(office)
    assert numbers(frames) == [0, 1, 2, 3, 7, 8, 9]
    assert [frame.resumed for frame in frames] == [False] * 4 + [True, False, False]  # a scene of its own
    assert office.heard == [(str(error), 750), (None, 875)]


def test_a_detector_that_always_fails_lets_nothing_pass() -> None:
    office = Office(Finder(range(10)))
    assert watched(office) == []
    assert office.heard == [("no sense", 0)]  # said once


def test_an_error_that_nobody_expects_ends_the_camera_and_lets_nothing_pass() -> None:
    camera = RedactedCamera("door", Film(), Office(Finder([3], KeyboardInterrupt())), 40, lambda: 0.0)
    passed = list[Frame]()
    with pytest.raises(KeyboardInterrupt):
        passed.extend(camera)
    assert numbers(passed) == [0]  # the others waited for what frame 3 would have shown


def test_a_detector_that_is_too_slow_lets_nothing_pass() -> None:
    office = Office(Finder())
    frames = watched(office, took_s=[0, 0.5, 0, 0.5, 0, 1.5])
    assert numbers(frames) == list(range(3, 10))
    assert office.heard[0] == ("looking at a frame took 1.5 s, more than 1", 250)


def test_where_looking_takes_longer_than_frames_come_a_live_camera_gives_fewer() -> None:
    took_s = [value for _ in range(20) for value in (0, 0.3)]
    assert numbers(watched(Office(Finder()), Film(live=True), took_s)) == [0, 3, 6, 9]
    assert numbers(watched(Office(Finder()), Film(live=False), took_s)) == list(range(10))


def test_nothing_passes_while_the_gate_is_closed() -> None:
    office = Office(Finder())
    office.closed = frozenset((3, 4, 5))
    frames = watched(office)
    assert numbers(frames) == [0, 1, 2, 6, 7, 8, 9]
    assert [frame.resumed for frame in frames] == [False] * 3 + [True] + [False] * 3


def test_a_camera_that_was_away_is_told_so_still() -> None:
    frames = watched(Office(Finder()), Film(resumed=[5]))
    assert numbers(frames) == list(range(10))
    assert [frame.resumed for frame in frames].index(True) == 5
