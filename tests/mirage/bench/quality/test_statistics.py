"""Bootstrap intervals: they hold the mean, narrow with more data, and repeat."""

import numpy as np
import pytest

from mirage.bench.quality.statistics import estimate, paired


def test_the_interval_holds_the_mean_and_is_as_wide_as_theory_says() -> None:
    values = np.random.default_rng(1).normal(5, 2, 400).tolist()
    found = estimate(values)
    assert found is not None
    assert found.low < found.mean < found.high
    assert found.mean == pytest.approx(np.mean(values))
    assert found.high - found.low == pytest.approx(2 * 1.96 * 2 / np.sqrt(400), rel=0.15)


def test_the_same_numbers_give_the_same_interval() -> None:
    assert estimate([1.0, 2.0, 4.0]) == estimate([1.0, 2.0, 4.0])


def test_equal_numbers_have_no_width_and_no_numbers_no_mean() -> None:
    found = estimate([0.5] * 7)
    assert found is not None
    assert (found.low, found.mean, found.high) == (0.5, 0.5, 0.5)
    assert estimate([]) is None


def test_numbers_of_one_group_are_drawn_together() -> None:
    values, groups = [0.0] * 50 + [1.0] * 50, ["a"] * 50 + ["b"] * 50
    alone, together = estimate(values), estimate(values, groups)
    assert alone is not None
    assert together is not None
    assert together.mean == alone.mean
    assert (together.low, together.high) == (0, 1)
    assert alone.high - alone.low < 0.3


def test_pairs_are_compared_pair_by_pair() -> None:
    base = np.random.default_rng(2).normal(0, 10, 30)
    found = paired((base + 1).tolist(), base.tolist())
    assert found is not None
    assert found.low == pytest.approx(1)
