"""Pixels: looked up or computed, they are the same bits."""

import numpy as np
import pytest

from edge.pixels import PixelTable
from wire.golden import normalised

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.mark.parametrize("shape", [(1, 1, 3), (7, 5, 3), (64, 64, 3)])
def test_every_value_is_as_it_is_computed(shape: tuple[int, int, int]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    expected = normalised(picture[None], np.array(MEAN, np.float32), np.array(STD, np.float32))
    found = PixelTable(MEAN, STD).normalise(picture)
    assert found.dtype == np.float32
    assert np.array_equal(found, expected)


def test_a_view_of_a_larger_picture_will_do() -> None:
    large = np.random.default_rng(1).integers(0, 256, (20, 20, 3)).astype(np.uint8)
    table = PixelTable(MEAN, STD)
    assert np.array_equal(table.normalise(large[2:9, 3:13]), table.normalise(large[2:9, 3:13].copy()))
