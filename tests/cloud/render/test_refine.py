"""Changes are computed at a few times and carried along by the motion to the others."""

import numpy as np
import pytest
from numpy.typing import NDArray

from cloud.render.refine import Changes

SIDE, PX, FRAMES = 8, 32, 5
Float = NDArray[np.float32]


def fields(pan: float = 0.0) -> Float:
    """Content that slides to the right by `pan`, keyframe at time 0."""
    made = np.zeros((FRAMES, 5, SIDE, SIDE), np.float32)
    made[:, 0] = -pan * np.linspace(0, 1, FRAMES)[:, None, None]
    made[:, 4] = -1
    return made


def key() -> NDArray[np.uint8]:
    return np.full((PX, PX, 3), 100, np.uint8)


def changes(moving: Float, repaired: Float, width: int = PX, height: int = PX) -> Changes:
    def repair(seen: Float) -> Float:
        assert seen.shape == (len(moving), 8, PX, PX)
        return repaired

    return Changes(moving, key(), None, repair, width, height)


def test_a_change_is_added_in_grey_levels() -> None:
    brighter = np.full((FRAMES, 3, PX, PX), 0.1, np.float32)
    assert (changes(fields(), brighter).apply(key(), 0.4) == 126).all()
    assert (changes(fields(), brighter * 20).apply(key(), 0.4) == 255).all()


@pytest.mark.parametrize(("time", "level"), [(0.0, 100), (0.125, 113), (0.25, 126), (3.0, 202), (-1.0, 100)])
def test_changes_are_blended_between_their_times(time: float, level: int) -> None:
    rising = np.linspace(0, 0.4, FRAMES, dtype=np.float32)[:, None, None, None]
    repaired = np.broadcast_to(rising, (FRAMES, 3, PX, PX))
    assert abs(int(changes(fields(), repaired).apply(key(), time)[5, 5, 0]) - level) <= 1


def test_a_change_moves_with_what_it_belongs_to() -> None:
    pan, spot = 0.5, 4
    repaired = np.zeros((FRAMES, 3, PX, PX), np.float32)
    for number in range(FRAMES):
        at = spot + round(pan * number / (FRAMES - 1) * PX)
        repaired[number, :, 10:14, at : at + 4] = 0.3
    between = changes(fields(pan), repaired).apply(key(), 0.375)  # halfway between the second and the third
    middle = spot + round(pan * 0.375 * PX)
    row = between[12, :, 0].astype(int)
    assert row[middle : middle + 4].min() > 165
    assert row[middle + 6 :].max() <= 101
    assert row[: middle - 2].max() <= 101


def test_changes_come_at_the_size_of_the_output() -> None:
    brighter = np.full((FRAMES, 3, 64, 64), 0.1, np.float32)
    shown = changes(fields(), brighter, width=48, height=20).apply(np.full((20, 48, 3), 100, np.uint8), 1.0)
    assert shown.shape == (20, 48, 3)
    assert (shown == 126).all()
