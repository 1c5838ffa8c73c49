"""Numbers as people read them."""

import pytest

from mirage.bench.plan.numbers import rounded


@pytest.mark.parametrize(
    ("value", "written"),
    [(0, "0"), (0.01025, "0.01"), (8.04e-6, "8e-06"), (1.25, "1.2"), (9.96, "10"), (12.4, "12"),
     (12_345, "12,000"), (8.04e11, "800,000,000,000")],
)  # fmt: skip
def test_a_plan_is_no_more_exact_than_two_digits(value: float, written: str) -> None:
    assert rounded(value) == written
