"""Of two values of a key the stricter one: never looser than either."""

import pytest

from edge.asked import OF_DEVICE, OF_LINK, Asked, stricter
from wire.documents import Value

CASES: list[tuple[str, Value, Value, Value]] = [
    ("off", True, False, True),
    ("off", False, False, False),
    ("on_motion", False, True, True),
    ("faces", "keep", "redact", "redact"),
    ("text", "keep", "keep", "keep"),
    ("people", "redact", "keep", "redact"),
    ("plates", "redact", "redact", "redact"),
    ("words", "gender, age", "plate,age", "gender,age,plate"),
    ("words", "", "age", "age"),
    ("layers", "motion,caption", "caption,appearance-tokens,motion", "caption,motion"),
    ("layers", "motion", "caption", ""),
    ("planes", 4, 8, 4),
    ("planes", None, 8, 8),
    ("still_bytes", 200, 116, 116),
    ("vector", True, False, False),
    ("vector", True, True, True),
    ("picture_px", None, 48, 48),
    ("picture_px", 64, 48, 48),
    ("noise", 0.0, 4.0, 4.0),
    ("bytes_per_s", 62.5, None, 62.5),
    ("bytes_per_s", None, None, None),
    ("burst_bytes", 4096, 16384, 4096),
    ("bytes_per_month", 50_000_000, 40_000_000, 40_000_000),
]


@pytest.mark.parametrize(("name", "one", "other", "both"), CASES)
def test_the_stricter_of_two_values(name: str, one: Value, other: Value, both: Value) -> None:
    assert stricter(name, one, other) == both
    turned = stricter(name, other, one)
    assert set(str(turned).split(",")) == set(str(both).split(","))


def test_there_is_a_case_for_each_key_that_can_be_asked_for() -> None:
    names = {name for name, *_ in CASES}
    assert names == OF_DEVICE | OF_LINK == set(Asked.__struct_fields__) - {"reset"}
