"""Canonical JSON is that of RFC 8785: its own samples, and what it refuses."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.provenance.canonical import CanonicalError, canonical

# Appendix B of RFC 8785, as doubles.
NUMBERS = [
    (0.0, "0"),
    (-0.0, "0"),
    (5e-324, "5e-324"),
    (-5e-324, "-5e-324"),
    (1.7976931348623157e308, "1.7976931348623157e+308"),
    (9007199254740992.0, "9007199254740992"),
    (295147905179352830000.0, "295147905179352830000"),
    (9.999999999999997e22, "9.999999999999997e+22"),
    (1e23, "1e+23"),
    (999999999999999700000.0, "999999999999999700000"),
    (1e21, "1e+21"),
    (9.999999999999997e-7, "9.999999999999997e-7"),
    (0.000001, "0.000001"),
    (333333333.3333332, "333333333.3333332"),
    (-0.0000033333333333333333, "-0.0000033333333333333333"),
    (1424953923781206.2, "1424953923781206.2"),
    (25.0, "25"),
]


@pytest.mark.parametrize(("value", "text"), NUMBERS)
def test_numbers_are_written_as_ecmascript_does(value: float, text: str) -> None:
    assert canonical(value).decode() == text


def test_names_are_sorted_by_utf_16_and_strings_escaped_no_more_than_needed() -> None:
    value = {
        "€": "Euro Sign",
        "\r": "a",
        "\ufb33": "b",
        "1": "One",
        "😀": "c",
        "\x80": "d",
        "ö": '\x0f\n"\\/é',
    }
    assert canonical(value).decode() == (
        '{"\\r":"a","1":"One","\x80":"d","ö":"\\u000f\\n\\"\\\\/é","€":"Euro Sign","😀":"c","\ufb33":"b"}'
    )


def test_of_nested_values_nothing_is_lost() -> None:
    assert canonical({"b": [1, None, True, {"z": [], "a": {}}], "a": 0.5}) == (
        b'{"a":0.5,"b":[1,null,true,{"a":{},"z":[]}]}'
    )


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), 2**53 + 1, {1: 2}, b"x", "\ud800", {"\udc00": 1}]
)
def test_what_json_or_a_double_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(CanonicalError):
        canonical(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_double_reads_back(value: float) -> None:
    assert float(canonical(value)) == value


doubles = st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | st.text() | st.integers(-(2**53), 2**53) | doubles,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(json_values)
def test_the_same_value_gives_the_same_bytes_however_it_was_written(value: object) -> None:
    try:
        first = canonical(value)
    except CanonicalError:
        return
    assert canonical(json.loads(first)) == first
    assert canonical(json.loads(json.dumps(value, indent=2))) == first
