"""Keyframes and motion become frames."""

import numpy as np
import pytest
from numpy.typing import NDArray

from cloud.render.flow import Told, at_time, compose, shifted_times
from wire.motion import CameraMotion, Motion

SIDE = 8


def ramp(height: int = 32, width: int = 48) -> NDArray[np.uint8]:
    row = np.linspace(0, 255, width).astype(np.uint8)
    return np.broadcast_to(row[None, :, None], (height, width, 3)).copy()


def field(flow_a: float = 0.0, flow_b: float = 0.0, blend: float = -1.0) -> NDArray[np.float32]:
    made = np.zeros((5, SIDE, SIDE), np.float32)
    made[0], made[2], made[4] = flow_a, flow_b, blend
    return made


def test_fields_are_interpolated_between_their_times() -> None:
    fields = np.stack([field(0.0), field(1.0), field(3.0)])
    assert at_time(fields, 0.25)[0, 0, 0] == pytest.approx(0.5)
    assert at_time(fields, 0.75)[0, 0, 0] == pytest.approx(2.0)
    assert at_time(fields, 1.0)[0, 0, 0] == pytest.approx(3.0)
    assert at_time(fields, 7.0)[0, 0, 0] == pytest.approx(3.0)
    assert at_time(fields, -1.0)[0, 0, 0] == pytest.approx(0.0)


def test_the_motion_layer_bends_what_is_interpolated() -> None:
    late = Motion(CameraMotion(pan_x=0.4), via=(CameraMotion(),))  # rests for half the time
    told = Told(late, (0.0, None), 1.0, frames=2, side=SIDE)
    for time in (0.0, 1.0):
        assert np.abs(told.bend(time)).max() < 1e-6
    # Interpolated, it is half way at half the time: 0.2 too far, and backward flow is negative.
    assert told.bend(0.5)[0] == pytest.approx(0.2, abs=1e-5)
    assert told.bend(0.75)[0] == pytest.approx(0.1, abs=1e-5)
    assert not told.bend(0.5)[1:].any()
    both = Told(late, (0.0, 1.0), 1.0, frames=2, side=SIDE)
    assert both.bend(0.5)[2] == pytest.approx(0.2, abs=1e-5)


def test_no_motion_and_no_second_keyframe_is_the_first_one() -> None:
    assert np.array_equal(compose(field(), ramp(), None), ramp())


def test_flow_says_where_a_pixel_comes_from() -> None:
    made = compose(field(flow_a=0.25), ramp(), None)
    assert np.abs(made[:, :34].astype(int) - ramp()[:, 12:46]).max() <= 1


@pytest.mark.parametrize(("blend", "shade"), [(-1.0, 40), (0.0, 120), (1.0, 200), (5.0, 200)])
def test_the_blend_goes_from_a_to_b(blend: float, shade: int) -> None:
    a, b = (np.full((16, 16, 3), value, np.uint8) for value in (40, 200))
    assert abs(int(compose(field(blend=blend), a, b)[8, 8, 0]) - shade) <= 1


def test_edges_repeat_instead_of_going_black() -> None:
    made = compose(field(flow_a=0.9), np.full((16, 16, 3), 77, np.uint8), None)
    assert (made == 77).all()


def test_times_start_at_noise_and_end_clean() -> None:
    times = shifted_times(4, 12.0)
    assert times[0] == 0
    assert times[-1] == 1
    assert times == sorted(times)
    assert times[2] < 0.1  # most of the way is walked at the end
