"""Motion: known warps are measured, objects are boxed, the same frames always give the same answer."""

from math import log2

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.motion import estimate_motion
from tests.edge.films import noisy, texture
from wire.motion import Motion

SCENE = texture(5, 720, 1280)
COUNT = 16


def filmed(pan: tuple[float, float] = (0, 0), zoom: float = 0, roll: float = 0) -> NDArray[np.uint8]:
    """Film SCENE (COUNT, 90, 160, 3) so that its content moves by these, linearly, from first to last."""
    pictures = []
    for index in range(COUNT):
        share = index / (COUNT - 1)
        turn = np.asarray(
            cv2.getRotationMatrix2D((640, 360), -roll * share, 2 ** (zoom * share) / 4), np.float64
        )
        turn[:, 2] += np.array([80, 45]) - np.array([640, 360])
        turn[:, 2] += np.array([pan[0] * 160, pan[1] * 90]) * share
        pictures.append(cv2.warpAffine(SCENE, turn, (160, 90), flags=cv2.INTER_AREA))
    return np.stack(pictures).astype(np.uint8)


def measure(frames: NDArray[np.uint8], duration_ms: int | None = None) -> Motion:
    return estimate_motion(frames, np.arange(len(frames), dtype=np.int64) * 125, duration_ms)


@pytest.mark.parametrize("pan", [(0.3, 0.0), (-0.3, 0.0), (0.0, 0.2), (0.0, -0.2), (0.15, -0.1), (0.9, 0.0)])
def test_pans_are_measured_in_fractions_of_the_frame(pan: tuple[float, float]) -> None:
    camera = measure(filmed(pan)).camera
    assert (camera.pan_x, camera.pan_y) == pytest.approx(pan, abs=0.02)
    assert (camera.zoom, camera.roll) == pytest.approx((0, 0), abs=0.5)


@pytest.mark.parametrize("zoom", [-0.5, 0.3, 0.8])
def test_zoom_is_measured_in_octaves(zoom: float) -> None:
    camera = measure(filmed(zoom=zoom)).camera
    assert camera.zoom == pytest.approx(zoom, abs=0.06)
    assert (camera.pan_x, camera.pan_y) == pytest.approx((0, 0), abs=0.03)


@pytest.mark.parametrize("roll", [-20, 12])
def test_roll_is_measured_in_degrees_clockwise(roll: float) -> None:
    assert measure(filmed(roll=roll)).camera.roll == pytest.approx(roll, abs=1.5)


def test_displacement_is_that_over_the_whole_segment_where_its_duration_is_known() -> None:
    assert measure(filmed((0.3, 0)), 2000).camera.pan_x == pytest.approx(0.3 * 2000 / 1875, abs=0.02)


@pytest.mark.parametrize("sigma", [0, 8])
def test_a_resting_camera_does_not_move(sigma: float) -> None:
    assert measure(noisy(filmed(), sigma)) == Motion()


def test_a_camera_that_gets_faster_is_told_by_its_knots() -> None:
    motion = measure(filmed((0.6, 0))[[0, 1, 2, 3, 4, 5, 6, 7, 9, 11, 13, 15]])
    assert motion.legs == 2
    assert [motion.camera_at(time).pan_x for time in (0.5, 1)] == pytest.approx([0.22, 0.6], abs=0.04)


def test_an_object_that_turns_back_is_found() -> None:
    frames = filmed()
    thing = texture(9, 90, 160)[:24, :24]
    for index, frame in enumerate(frames):
        x = 20 + 6 * min(index, COUNT - 1 - index)
        frame[40:64, x : x + 24] = thing
    found = measure(frames).objects[0]
    assert found.dx == pytest.approx(0, abs=0.05)
    assert found.displacement_at(0.5)[0] > 0.15


@pytest.mark.parametrize(
    "last", [(1375, 1490, 1515), (1375, 1499, 1501), (1375, 1500, 1510), (1375, 1376, 1377)]
)
def test_frames_that_came_late_do_not_make_a_camera_fly(last: tuple[int, ...]) -> None:
    times = np.array([*range(0, 1375, 125), *last], np.int64)
    motion = estimate_motion(filmed((0.3, 0))[: len(times)], times, 2000)
    assert 0.2 < motion.camera.pan_x < 0.5


def test_times_that_stand_still_are_no_error() -> None:
    assert estimate_motion(filmed((0.3, 0)), np.full(COUNT, 5, np.int64)).legs == 1


def test_few_frames_make_few_legs() -> None:
    assert measure(filmed((0.3, 0))[:4]).legs == 1


def test_one_frame_does_not_move() -> None:
    assert measure(filmed()[:1]) == Motion()


def test_a_flat_picture_does_not_move() -> None:
    assert measure(np.full((8, 90, 160, 3), 90, np.uint8)) == Motion()


def test_a_large_thing_in_front_of_a_resting_camera_is_not_camera_motion() -> None:
    frames = filmed()
    thing = texture(9, 90, 160)[:80, :64]
    for index, frame in enumerate(frames):
        frame[8:88, 10 + 5 * index : 74 + 5 * index] = thing
    motion = measure(frames)
    assert (motion.camera.pan_x, motion.camera.pan_y) == pytest.approx((0, 0), abs=0.02)
    assert motion.objects[0].dx > 0.2


def test_an_object_is_boxed_where_it_starts_and_its_displacement_is_seen() -> None:
    frames = filmed()
    thing = texture(9, 90, 160)[:24, :24]
    for index, frame in enumerate(frames):
        frame[40:64, 20 + 4 * index : 44 + 4 * index] = thing
    (found,) = measure(frames).objects
    assert (found.x, found.y) == pytest.approx((32 / 160, 52 / 90), abs=0.1)
    assert (found.dx, found.dy) == pytest.approx((60 / 160, 0), abs=0.08)
    assert 0.08 < found.width < 0.3


def test_an_object_is_found_before_a_moving_background() -> None:
    frames = filmed((0.3, 0))
    thing = texture(9, 90, 160)[:30, :30]
    for index, frame in enumerate(frames):
        frame[30:60, 110 - 4 * index : 140 - 4 * index] = thing
    motion = measure(frames)
    assert motion.camera.pan_x == pytest.approx(0.3, abs=0.05)
    assert min(item.dx for item in motion.objects) < -0.2


def test_at_most_four_objects_are_reported_and_the_largest_first() -> None:
    frames = filmed()
    for row in range(2):
        for column in range(3):
            side = 20 + 4 * column + 2 * row
            thing = texture(20 + 3 * row + column, 60, 60)[:side, :side]
            for index, frame in enumerate(frames):
                x, y = 2 + 52 * column + index, 2 + 44 * row + index
                frame[y : y + side, x : x + side] = thing[: 90 - y, : 160 - x]
    objects = measure(frames).objects
    areas = [item.width * item.height for item in objects]
    assert len(objects) == 4
    assert areas == sorted(areas, reverse=True)


def test_the_same_frames_give_the_same_motion() -> None:
    frames = noisy(filmed((0.2, 0.1), 0.2, 4), 6)
    cv2.setRNGSeed(99)
    assert measure(frames) == measure(frames.copy())


def test_portrait_and_odd_sizes_are_measured() -> None:
    frames = filmed((0.3, 0.0))[:, :, 40:121]
    assert measure(frames).camera.pan_x == pytest.approx(0.3 * 160 / 81, abs=0.05)


def test_zoom_is_a_logarithm() -> None:
    assert measure(filmed(zoom=log2(1.5))).camera.zoom == pytest.approx(0.585, abs=0.06)
