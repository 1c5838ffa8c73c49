"""Neighbours: the coder, cell by cell, and the table builder, all at once, see the same."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from wire.neighbours import OWN, UNKNOWN, centred, differences, own_neighbours, roughness, surroundings

PLANE = np.array([[0, 1, 2], [3, 4, 5], [6, 7, 0]], np.uint8)


def test_surroundings_are_centred_and_zero_outside() -> None:
    around = surroundings(PLANE[None], levels=8)
    assert around.shape == (3, 3, 9)
    assert around[1, 1].tolist() == [-7, -5, -3, -1, 1, 3, 5, 7, -7]
    assert around[0, 0].tolist() == [0, 0, 0, 0, -7, -5, 0, -1, 1]


def test_what_is_unknown_is_between_two_levels() -> None:
    partly = PLANE.copy()
    partly[1, 1] = UNKNOWN
    assert centred(partly, levels=8).tolist() == [[-7, -5, -3], [-1, 0, 3], [5, 7, -7]]
    assert surroundings(partly[None], levels=8)[1, 1].tolist() == [-7, -5, -3, -1, 0, 3, 5, 7, -7]


def test_planes_stand_one_behind_the_other() -> None:
    both = surroundings(np.stack([PLANE, 7 - PLANE]), levels=8)
    assert both[1, 1].tolist() == [-7, -5, -3, -1, 1, 3, 5, 7, -7, 7, 5, 3, 1, -1, -3, -5, -7, 7]


def test_roughness_is_the_distance_from_the_middle() -> None:
    rough = roughness(surroundings(PLANE[None], levels=8))
    assert rough[1, 1].tolist() == [8, 6, 4, 2, 1, 2, 4, 6, 8]


@given(plane=arrays(np.uint8, (4, 5), elements=st.integers(0, 7)))
def test_cell_by_cell_and_all_at_once_agree(plane: NDArray[np.uint8]) -> None:
    known = centred(plane, levels=8).ravel().tolist()
    at_once = surroundings(plane[None], levels=8)[..., OWN]
    one_by_one = [own_neighbours(known[:at], at, 5) for at in range(20)]
    assert at_once.reshape(20, 4).tolist() == [list(own) for own in one_by_one]
    rough = np.stack(differences(*np.moveaxis(at_once, -1, 0)), axis=-1)
    assert rough.reshape(20, 6).tolist() == [list(differences(*own)) for own in one_by_one]


@given(planes=arrays(np.uint8, (3, 2, 4, 4), elements=st.integers(0, 7)))
def test_a_batch_is_its_members(planes: NDArray[np.uint8]) -> None:
    assert np.array_equal(surroundings(planes, 8), [surroundings(one, 8) for one in planes])
