"""The receiver's constraints: in range, or an error that names them."""

import pytest

from wire.policy import Policy, PolicyError


def test_the_default_is_small() -> None:
    assert Policy() == Policy(long_side_px=256, steps=None, fps=None)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("long_side_px", 15),
        ("long_side_px", 8193),
        ("steps", 0),
        ("steps", 1001),
        ("fps", 0.0),
        ("fps", 241.0),
        ("frames", 0),
        ("guidance", -1.0),
    ],
)
def test_a_constraint_out_of_range_is_named(field: str, value: float) -> None:
    with pytest.raises(PolicyError, match=f"{field} {value}"):
        Policy(**{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("field", ["style_prompt", "negative_prompt"])
def test_a_prompt_that_is_too_long_is_named(field: str) -> None:
    with pytest.raises(PolicyError, match=f"{field} has 1001 characters"):
        Policy(**{field: 1001 * "a"})  # type: ignore[arg-type]


def test_a_number_that_is_none_is_refused() -> None:
    with pytest.raises(PolicyError, match="fps nan"):
        Policy(fps=float("nan"))
