"""The motion layer: a few bytes that say how things move."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire import motion
from wire.motion import CameraMotion, Motion, MotionError, ObjectMotion
from wire.packet import PacketError

BOX = ObjectMotion(x=0.5, y=0.25, width=0.25, height=1.0, dx=0.25, dy=-0.5)

# The object, by hand: 16/32, 8/32, (8 - 1)/32, (32 - 1)/32, 16/64, -32/64
#   10000010 00001111 11110010 00011000 00(000000)
GOLDEN = [
    pytest.param("00", Motion(), id="nothing moves"),
    pytest.param("08 34 03", Motion(CameraMotion(26 / 256, -2 / 256)), id="pan right and up"),
    pytest.param("38 8008 00 10 05", Motion(CameraMotion(2.0, 0.0, 0.25, -3.0)), id="pan, zoom, roll"),
    pytest.param("01 820ff21800", Motion(objects=(BOX,)), id="one object"),
]

numbers = st.floats(-3, 3)
cameras = st.builds(CameraMotion, numbers, numbers, st.floats(-5, 5), st.floats(-200, 200))
objects = st.builds(ObjectMotion, numbers, numbers, numbers, numbers, numbers, numbers)
motions = st.builds(Motion, cameras, st.lists(objects, max_size=4).map(tuple))


@pytest.mark.parametrize(("wire", "moved"), GOLDEN)
def test_motion_has_the_documented_bytes(wire: str, moved: Motion) -> None:
    assert motion.encode(moved) == bytes.fromhex(wire)
    assert motion.decode(bytes.fromhex(wire)) == moved


@pytest.mark.parametrize("wire", [str(case.values[0]) for case in GOLDEN])
def test_every_prefix_and_every_longer_form_is_refused(wire: str) -> None:
    data = bytes.fromhex(wire)
    for length in range(len(data)):
        with pytest.raises(MotionError):
            motion.decode(data[:length])
    with pytest.raises(MotionError):
        motion.decode(data + b"\0")


@pytest.mark.parametrize(
    "wire",
    [
        pytest.param("40", id="flag of a later version"),
        pytest.param("05" + "00" * 22, id="five objects"),
        pytest.param("08 00 00", id="pan of nothing"),
        pytest.param("10 00", id="zoom of nothing"),
        pytest.param("08 8208 00", id="pan beyond the limit"),
        pytest.param("01 820ff21801", id="padding that is not zero"),
    ],
)
def test_other_forms_are_refused(wire: str) -> None:
    with pytest.raises(MotionError):
        motion.decode(bytes.fromhex(wire))


@given(motions)
def test_the_receiver_sees_the_quantised_motion_in_few_bytes(moved: Motion) -> None:
    seen = motion.quantise(moved)
    assert motion.quantise(seen) == seen
    assert len(motion.encode(moved)) <= 26
    assert abs(seen.camera.pan_x - min(max(moved.camera.pan_x, -2), 2)) <= 1 / 512
    assert abs(seen.camera.roll - min(max(moved.camera.roll, -180), 180)) <= 0.5
    for sent, got in zip(moved.objects, seen.objects, strict=True):
        assert abs(got.x - min(max(sent.x, 0), 31 / 32)) <= 1 / 64
        assert abs(got.width - min(max(sent.width, 1 / 32), 1)) <= 1 / 64
        assert abs(got.dx - min(max(sent.dx, -1), 63 / 64)) <= 1 / 128


@given(st.binary(max_size=30))
def test_arbitrary_bytes_raise_motion_error_or_have_one_form(data: bytes) -> None:
    try:
        moved = motion.decode(data)
    except MotionError:
        return
    assert motion.encode(moved) == data


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_none_cannot_be_sent(number: float) -> None:
    with pytest.raises(MotionError, match="number that is"):
        motion.encode(Motion(CameraMotion(zoom=number)))
    with pytest.raises(MotionError, match="number that is"):
        motion.encode(Motion(objects=(ObjectMotion(0, 0, 0, 0, number, 0),)))


def test_a_fifth_object_is_refused() -> None:
    with pytest.raises(PacketError, match="5 objects"):
        Motion(objects=(BOX,) * 5)
