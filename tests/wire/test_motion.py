"""The motion layer: a few bytes that say how things move."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire import motion
from wire.motion import CameraMotion, Motion, MotionError, ObjectMotion
from wire.packet import PacketError
from wire.ways import LEGS

BOX = ObjectMotion(x=0.5, y=0.25, width=0.25, height=1.0, dx=0.25, dy=-0.5)

# The object, by hand: 16/32, 8/32, (8 - 1)/32, (32 - 1)/32, 16/64, -32/64
#   10000010 00001111 11110010 00011000 00(000000)
GOLDEN = [
    pytest.param("00", Motion(), id="nothing moves"),
    pytest.param("08 34 03", Motion(CameraMotion(26 / 256, -2 / 256)), id="pan right and up"),
    pytest.param("38 8008 00 10 05", Motion(CameraMotion(2.0, 0.0, 0.25, -3.0)), id="pan, zoom, roll"),
    pytest.param("01 820ff21800", Motion(objects=(BOX,)), id="one object"),
    # 26/512 + 3/128 in the middle; between start and middle no bend, between middle and end -1/128.
    #   round 1: 00111 for 3, 1 for 0    round 2: 1 for 0, 010 for -1, twice 1 for 0    0000
    pytest.param(
        "88 34 00 3eb0",
        Motion(
            CameraMotion(26 / 256),
            via=(CameraMotion(9.5 / 256), CameraMotion(19 / 256), CameraMotion(20.5 / 256)),
        ),
        id="pan in four legs",
    ),
    # The object, then 00101 for 2/64 right of the middle of its way, 1 for 0.
    pytest.param(
        "41 820ff2180b",
        Motion(objects=(replace(BOX, via=((0.125 + 2 / 64, -0.25),)),)),
        id="object in two legs",
    ),
]

numbers = st.floats(-3, 3)
cameras = st.builds(CameraMotion, numbers, numbers, st.floats(-5, 5), st.floats(-200, 200))
objects = st.builds(ObjectMotion, numbers, numbers, numbers, numbers, numbers, numbers)
motions = st.builds(Motion, cameras, st.lists(objects, max_size=4).map(tuple))
near = st.floats(-0.5, 0.5)


poses = st.builds(CameraMotion, near, near, near, near)


@st.composite
def bent(draw: st.DrawFn) -> Motion:
    """Ways with knots anywhere, or without."""
    knots = draw(st.sampled_from(LEGS)) - 1
    camera = draw(st.lists(poses, min_size=knots, max_size=knots))
    items = []
    for item in draw(st.lists(objects, max_size=4)):
        via = draw(st.lists(st.tuples(near, near), min_size=knots, max_size=knots))
        items.append(replace(item, via=tuple(via) if draw(st.booleans()) else ()))
    return Motion(draw(poses), tuple(items), tuple(camera) if draw(st.booleans()) else ())


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
        pytest.param("40", id="legs of nothing"),
        pytest.param("41 820ff21830", id="legs without a bend"),
        pytest.param("81 820ff2180bc0", id="legs without a bend of the last round"),
        pytest.param("41 820ff21800 00b0", id="bend beyond the limit"),
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


@given(bent())
def test_the_receiver_sees_knots_where_they_are(moved: Motion) -> None:
    seen = motion.quantise(moved)
    assert motion.quantise(seen) == seen
    assert seen.legs <= moved.legs
    if not moved.via:
        assert not seen.via
    for knot, pose in enumerate(moved.via, 1):
        got = seen.camera_at(knot / moved.legs)
        assert abs(got.pan_x - pose.pan_x) <= 1 / 256 + 1e-9
        assert abs(got.pan_y - pose.pan_y) <= 1 / 256 + 1e-9
        assert abs(got.zoom - pose.zoom) <= 1 / 64 + 1e-9
        assert abs(got.roll - pose.roll) <= 0.5 + 1e-9
    for sent, item in zip(moved.objects, seen.objects, strict=True):
        for knot, way in enumerate(sent.via, 1):
            got_way = item.displacement_at(knot / moved.legs)
            assert got_way == pytest.approx(way, abs=1 / 128 + 1e-9)


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
    with pytest.raises(MotionError, match="not finite"):
        motion.encode(Motion(via=(CameraMotion(number),)))


def test_a_fifth_object_is_refused() -> None:
    with pytest.raises(PacketError, match="5 objects"):
        Motion(objects=(BOX,) * 5)


def test_ways_of_different_legs_are_refused() -> None:
    with pytest.raises(MotionError, match=r"\[2, 4\] legs"):
        Motion(objects=(replace(BOX, via=((0, 0),)),), via=(CameraMotion(),) * 3)
    with pytest.raises(MotionError, match=r"\[3\] legs"):
        Motion(via=(CameraMotion(),) * 2)


def test_a_straight_way_takes_no_more_bytes_for_having_knots() -> None:
    straight = Motion(CameraMotion(0.4, 0.1, 0.2, 8), (BOX,))
    knots = Motion(
        straight.camera,
        (replace(BOX, via=tuple(BOX.displacement_at(knot / 4) for knot in (1, 2, 3))),),
        tuple(straight.camera_at(knot / 4) for knot in (1, 2, 3)),
    )
    assert motion.encode(knots) == motion.encode(straight)


def test_a_way_goes_on_beyond_its_ends() -> None:
    moved = Motion(CameraMotion(0.4), via=(CameraMotion(0.1),))
    at = [moved.camera_at(time).pan_x for time in (-0.5, 0, 0.25, 0.5, 0.75, 1, 1.5)]
    assert at == pytest.approx([-0.1, 0, 0.05, 0.1, 0.25, 0.4, 0.7])
