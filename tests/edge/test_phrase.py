"""The camera's motion in words: what is measured is said, as seen from the camera."""

import pytest

from edge.phrase import speed_word, with_motion
from wire.motion import CameraMotion, Motion, ObjectMotion
from wire.words import WORD_SPEED


@pytest.mark.parametrize(
    ("camera", "said"),
    [
        (CameraMotion(pan_x=0.3), "a road camera pans left quickly"),
        (CameraMotion(pan_x=-0.12), "a road camera pans right"),
        (CameraMotion(pan_y=0.05), "a road camera tilts up slowly"),
        (CameraMotion(pan_y=-0.4, pan_x=0.2), "a road camera tilts down quickly"),
        (CameraMotion(zoom=0.12), "a road camera moves forward slowly"),
        (CameraMotion(zoom=-1.0, roll=8), "a road camera moves backward quickly"),
        (CameraMotion(roll=30), "a road camera turns left quickly"),
    ],
)
def test_the_strongest_motion_is_said_from_the_cameras_point_of_view(camera: CameraMotion, said: str) -> None:
    assert with_motion("a road", Motion(camera), still=False) == said


def test_of_a_camera_at_rest_nothing_is_said() -> None:
    objects = (ObjectMotion(0.5, 0.5, 0.2, 0.2, 0.3, 0.0),)
    assert with_motion("a dog runs", Motion(objects=objects), still=False) == "a dog runs"


def test_a_still_scene_is_called_so() -> None:
    assert with_motion("an empty room", None, still=True) == "an empty room nothing moves"


def test_without_a_measurement_nothing_is_added() -> None:
    assert with_motion("an empty room", None, still=False) == "an empty room"


@pytest.mark.parametrize("caption", ["a drone view camera zooms out", "a room nothing moves"])
def test_a_caption_that_speaks_of_it_already_stands(caption: str) -> None:
    assert with_motion(caption, Motion(CameraMotion(pan_x=0.3)), still=False) == caption


def test_a_camera_that_is_only_looked_at_is_measured_too() -> None:
    said = with_motion("a man looks at the camera", Motion(CameraMotion(zoom=0.2)), still=False)
    assert said == "a man looks at the camera camera moves forward"


def test_an_empty_caption_becomes_the_motion_alone() -> None:
    assert with_motion("", Motion(CameraMotion(pan_x=0.3)), still=False) == "camera pans left quickly"


def test_every_speed_is_named_by_its_own_word() -> None:
    assert {speed_word(speed) for speed in WORD_SPEED.values()} == set(WORD_SPEED)
    assert all(speed_word(speed) == word for word, speed in WORD_SPEED.items())
