"""What the timeline lists: the newest, or what is around a segment that a link leads to."""

from pathlib import Path

import pytest

from cloud.access.roles import Caller, Role, Scope
from cloud.catalog import UnknownCameraError
from cloud.page.sight import Sight
from cloud.page.window import LATER, PAGE, Window
from cloud.store import Store
from tests.cloud.desk import Desk
from tests.cloud.sample import Device
from tests.cloud.studio import CAMERA_ID
from tests.cloud.test_sight import sight
from wire.bundle import Bundle

COUNT = PAGE + 20


@pytest.fixture
def seen(desk: Desk, bundle: Bundle, store: Store, tmp_path: Path) -> Sight:
    """Have a camera say a number each second."""
    device = Device(bundle)
    desk.birth(device)
    for number in range(COUNT):
        desk.sem(device, device.packet(str(number)))
    return sight(store, tmp_path, Caller("wall", Role.VIEWER))


def listed(window: Window) -> list[int]:
    """Give the numbers, the newest first."""
    return [int(segment.caption or "") for segment in window.listed(CAMERA_ID)]


def down(newest: int, count: int) -> list[int]:
    return list(range(newest, newest - count, -1))


def test_the_newest_are_listed_and_older_ones_when_asked_for(seen: Sight) -> None:
    window = Window(seen)
    assert listed(window) == down(COUNT - 1, PAGE)
    window.earlier()
    assert listed(window) == down(COUNT - 1, COUNT)


def test_what_is_one_of_the_newest_is_shown_among_them(seen: Sight) -> None:
    window, segments = Window(seen), seen.segments(CAMERA_ID, COUNT)
    for place in (0, LATER):
        window.around(segments[place])
        assert (window.until_ms, listed(window)) == (None, down(COUNT - 1, PAGE))


def test_what_is_older_is_shown_below_some_that_are_newer(seen: Sight) -> None:
    window, segments = Window(seen), seen.segments(CAMERA_ID, COUNT)
    for place in (LATER + 1, PAGE, COUNT - 1):
        window.around(segments[place])
        number = COUNT - 1 - place
        assert listed(window) == down(number + LATER, min(PAGE, number + LATER + 1))


def test_later_ones_join_until_the_newest_are_there(seen: Sight) -> None:
    window, segments = Window(seen), seen.segments(CAMERA_ID, COUNT)
    window.around(segments[-1])
    window.slide(CAMERA_ID)
    assert listed(window) == down(2 * LATER, 2 * LATER + 1)
    window.later(CAMERA_ID)
    assert listed(window) == down(2 * LATER + PAGE, 2 * LATER + PAGE + 1)
    window.later(CAMERA_ID)
    assert (window.until_ms, listed(window)) == (None, down(COUNT - 1, COUNT))
    window.reset()
    assert listed(window) == down(COUNT - 1, PAGE)


def test_a_camera_of_others_has_no_later_segments(seen: Sight, store: Store, tmp_path: Path) -> None:
    stranger = sight(store, tmp_path, Caller("wall", Role.VIEWER, Scope.parse("umbra")))
    with pytest.raises(UnknownCameraError):
        Window(stranger).around(seen.segments(CAMERA_ID, 1)[0])
