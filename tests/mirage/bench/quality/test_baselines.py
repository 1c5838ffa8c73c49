"""Trivial renderers: what they show at known times."""

import numpy as np
import pytest

from mirage.bench.quality.baselines import Keyed, cross_fade, hold, warp
from tests.mirage.bench.quality.pictures import texture
from wire.motion import CameraMotion, Motion

FIRST, SECOND = texture(1, 128), texture(2, 128)


def keyed(motion: Motion = Motion(), *, alone: bool = False) -> Keyed:  # noqa: B008 -- frozen
    return Keyed(FIRST, 0.25, None if alone else SECOND, 1.25, motion, 1.0)


def test_a_held_keyframe_never_changes() -> None:
    assert (hold(keyed(), 0.9) == FIRST).all()


@pytest.mark.parametrize(("time", "share"), [(0.0, 0.0), (0.25, 0.0), (0.75, 0.5), (1.25, 1.0)])
def test_a_cross_fade_goes_from_key_to_key(time: float, share: float) -> None:
    wanted = FIRST * (1 - share) + SECOND * share
    assert np.abs(cross_fade(keyed(), time) - wanted).max() <= 1


def test_without_a_next_keyframe_there_is_no_fade() -> None:
    assert (cross_fade(keyed(alone=True), 1.0) == FIRST).all()


def test_the_warp_moves_the_keyframe_as_the_motion_layer_says() -> None:
    shown = warp(keyed(Motion(CameraMotion(pan_x=0.25)), alone=True), 0.75)
    moved = 16  # pixels: a quarter of the frame, for half of the segment
    error = np.abs(shown[8:-8, moved + 4 : -4].astype(int) - FIRST[8:-8, 4 : -4 - moved]).mean()
    assert error < 4
    assert (warp(keyed(Motion(CameraMotion(pan_x=0.25)), alone=True), 0.25) == FIRST).all()
