"""A picture of the place gives keyframes of it back their details, and leaves all else alone."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from cloud.render.ground import Ground

SIZE = (192, 108)
Picture = NDArray[np.uint8]


@pytest.fixture
def place() -> Picture:
    """Draw large patches of colour with fine lines on them."""
    random = np.random.default_rng(1)
    patches = cv2.resize(random.integers(60, 180, (6, 8, 3), np.uint8), SIZE, interpolation=cv2.INTER_CUBIC)
    lines = np.zeros((108, 192, 1), np.int16)
    lines[:, ::6] = 40
    return np.asarray((patches + lines).clip(0, 255), np.uint8)


def coarse(picture: Picture) -> Picture:
    """See it as a code of a few planes does."""
    small = cv2.resize(picture, (24, 14), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, SIZE, interpolation=cv2.INTER_CUBIC), np.uint8)


def apart(one: Picture, other: Picture) -> float:
    return float(np.abs(one.astype(float) - other).mean())


def test_details_of_the_place_come_back(place: Picture) -> None:
    seen = coarse(place)
    assert apart(Ground([place], SIZE).under(seen), place) < 0.5 * apart(seen, place)


def test_in_another_light_too_and_the_light_stays_that_of_the_keyframe(place: Picture) -> None:
    evening = np.asarray(place * 0.6 + 5, np.uint8)
    seen = coarse(evening)
    made = Ground([place], SIZE).under(seen)
    assert apart(made, evening) < 0.6 * apart(seen, evening)
    assert abs(float(made.mean()) - float(evening.mean())) < 3


def test_what_is_not_on_the_anchor_stays_as_it_was_received(place: Picture) -> None:
    scene = place.copy()
    scene[20:100, 50:120] = (255, 0, 0)
    seen = coarse(scene)
    made = Ground([place], SIZE).under(seen)
    inside = (slice(45, 75), slice(75, 95))
    assert apart(made[inside], seen[inside]) < 2
    far = (slice(None), slice(160, None))
    assert apart(made[far], scene[far]) < 0.6 * apart(seen[far], scene[far])


def test_a_picture_of_another_place_does_little_harm(place: Picture) -> None:
    other = np.ascontiguousarray(255 - place[::-1, ::-1])
    seen = coarse(place)
    assert apart(Ground([other], SIZE).under(seen), place) < 1.25 * apart(seen, place)


def test_of_several_the_one_that_is_most_like_it_is_taken(place: Picture) -> None:
    other = np.ascontiguousarray(255 - place[::-1, ::-1])
    seen = coarse(place)
    chosen = Ground([other, place], SIZE).under(seen)
    assert np.array_equal(chosen, Ground([place], SIZE).under(seen))
