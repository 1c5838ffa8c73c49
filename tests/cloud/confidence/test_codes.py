"""How alike two codes are: by hand, and its bounds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cloud.confidence.codes import equal_shares, tokens_alike, vectors_alike
from wire.neighbours import UNKNOWN
from wire.vector import SYMBOLS, TOTAL, VectorModel

LEVELS = 15  # a fifth is three levels


def grid(*planes: int) -> NDArray[np.uint8]:
    return np.array(planes, np.uint8)[:, None, None]


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ((7, 7), (7, 7), 1.0),
        ((7, 7), (8, 7), (1 * 2 / 3 + 0.5 * 1) / 1.5),
        ((7, 7), (7, 9), (1 * 1 + 0.5 * 1 / 3) / 1.5),
        ((7, 7), (10, 0), 0.0),
        ((0, 7), (14, 7), 0.5 / 1.5),
        ((7, UNKNOWN), (7, 0), 1.0),
        ((7, 7), (7,), 1.0),
    ],
)
def test_first_planes_count_most_and_near_levels_in_part(
    one: tuple[int, ...], other: tuple[int, ...], alike: float
) -> None:
    assert tokens_alike(grid(*one), grid(*other), LEVELS) == pytest.approx(alike)
    assert tokens_alike(grid(*other), grid(*one), LEVELS) == pytest.approx(alike)


def test_of_what_was_not_sent_nothing_is_known() -> None:
    assert tokens_alike(grid(UNKNOWN), grid(3), LEVELS) is None
    assert equal_shares(grid(UNKNOWN, 3), grid(3, 3)) == [None, 1.0]


def test_equal_tokens_are_counted_plane_by_plane() -> None:
    one = np.array([[[1, 2], [3, UNKNOWN]], [[1, 1], [1, 1]]], np.uint8)
    other = np.array([[[1, 2], [0, 0]], [[2, 2], [2, 1]]], np.uint8)
    assert equal_shares(one, other) == [0.667, 0.25]


grids = st.lists(st.integers(0, LEVELS - 1) | st.just(UNKNOWN), min_size=6, max_size=6).map(
    lambda values: np.array(values, np.uint8).reshape(3, 1, 2)
)


@given(grids, grids)
def test_likeness_is_symmetrical_and_never_beyond_0_and_1(
    one: NDArray[np.uint8], other: NDArray[np.uint8]
) -> None:
    value = tokens_alike(one, other, LEVELS)
    assert value == tokens_alike(other, one, LEVELS)
    assert value is None or 0 <= value <= 1
    assert tokens_alike(one, one, LEVELS) in (None, 1.0)


def test_vectors_are_as_alike_as_their_cosine() -> None:
    frequencies = np.full(SYMBOLS, TOTAL // SYMBOLS, np.int64)
    frequencies[0] += TOTAL - frequencies.sum()
    model = VectorModel(np.zeros(2, np.float32), np.ones(2, np.float32), frequencies)
    right, up, left = (np.array(each, np.int8) for each in ([5, 0], [0, 5], [-5, 0]))
    assert vectors_alike(right, right, model) == pytest.approx(1)
    assert vectors_alike(right, up, model) == pytest.approx(0)
    assert vectors_alike(right, left, model) == 0
