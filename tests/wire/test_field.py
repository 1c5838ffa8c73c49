"""The motion layer as dense flow: what trainer and renderer both compute."""

import numpy as np
import pytest

from wire.field import FAR, camera_matrix, guide, motion_field, pixel_centres
from wire.motion import CameraMotion, Motion, ObjectMotion

SIDE = 16


def test_a_pan_is_the_same_everywhere() -> None:
    field = motion_field(Motion(CameraMotion(pan_x=0.5, pan_y=-0.25)), time=1.0, key=0.0, side=SIDE)
    assert np.allclose(field, [-0.5, 0.25], atol=1e-6)  # looking back: content came from the left


def test_a_zoom_leaves_the_centre_and_doubles_distances() -> None:
    field = motion_field(Motion(CameraMotion(zoom=1.0)), time=0.0, key=1.0, side=SIDE)
    assert np.allclose(field, pixel_centres(SIDE, SIDE) - 0.5, atol=1e-5)


def test_a_roll_keeps_distances_in_a_wide_picture() -> None:
    aspect = 16 / 9
    matrix = camera_matrix(CameraMotion(roll=90), aspect)
    right = matrix @ np.array(
        [0.5 + 0.25 / aspect, 0.5, 1], np.float32
    )  # a quarter of the height to the right
    assert right[:2] == pytest.approx([0.5, 0.75], abs=1e-5)  # turned clockwise: below the centre


def test_no_time_between_frame_and_key_is_no_motion() -> None:
    motion = Motion(CameraMotion(0.2, 0.1, 0.3, 10), (ObjectMotion(0.5, 0.5, 0.2, 0.2, 0.3, 0),))
    assert np.abs(motion_field(motion, 0.4, 0.4, SIDE)).max() < 1e-5


def test_an_object_moves_against_the_camera() -> None:
    motion = Motion(objects=(ObjectMotion(x=0.25, y=0.5, width=0.25, height=0.25, dx=0.5, dy=0.0),))
    field = motion_field(motion, time=1.0, key=0.0, side=SIDE)
    assert field[8, 12] == pytest.approx([-0.5, 0])  # where it arrived
    assert field[8, 4] == pytest.approx([0, 0])  # where it came from is background again


def test_the_guide_is_zero_towards_a_keyframe_that_is_not_there() -> None:
    fields = guide(Motion(CameraMotion(pan_x=0.5)), 8, (0.0, None), SIDE, scale=4.0)
    assert fields.shape == (8, 4, SIDE, SIDE)
    assert np.allclose(fields[7, 0], -2.0, atol=1e-5)
    assert not fields[:, 2:].any()


def test_the_wildest_motion_gives_numbers() -> None:
    wild = Motion(
        CameraMotion(2, -2, 4, 180),
        (ObjectMotion(0, 1, 1 / 32, 1, 1, -1, via=((-1, 1),) * 7),),
        via=tuple(CameraMotion(-2, 2, 4 if knot % 2 else -4, -180) for knot in range(7)),
    )
    for key in (0.0, 1.0, 100.0):
        assert np.isfinite(guide(wild, 8, (0.0, key), SIDE, scale=4.0)).all()


def test_the_guide_is_bounded() -> None:
    fields = guide(Motion(CameraMotion(pan_x=2.0, zoom=4.0)), 4, (0.0, 1.3), SIDE, scale=4.0)
    assert np.abs(fields).max() <= 4 * FAR
