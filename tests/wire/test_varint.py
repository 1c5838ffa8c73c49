"""Varints: one number, one form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire import varint
from wire.varint import VarintError

GOLDEN = {
    0: "00",
    1: "01",
    127: "7f",
    128: "8001",
    300: "ac02",
    16_384: "808001",
    2**32: "8080808010",
    2**63: "80808080808080808001",
    2**64 - 1: "ffffffffffffffffff01",
}


@pytest.mark.parametrize(("value", "wire"), GOLDEN.items())
def test_a_number_has_the_documented_bytes(value: int, wire: str) -> None:
    assert varint.encode(value) == bytes.fromhex(wire)
    assert varint.decode(bytes.fromhex(wire), 0) == (value, len(wire) // 2)


@pytest.mark.parametrize("wire", [wire for wire in GOLDEN.values() if len(wire) > 2])
def test_every_prefix_is_cut_off(wire: str) -> None:
    data = bytes.fromhex(wire)
    for length in range(len(data)):
        with pytest.raises(VarintError, match="cut off"):
            varint.decode(data[:length], 0)


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        pytest.param("8000", "overlong", id="zero in two bytes"),
        pytest.param("ff8000", "overlong", id="127 in three bytes"),
        pytest.param("ffffffffffffffffff02", "above 64 bits", id="2**64 and more"),
        pytest.param("80" * 10 + "01", "more than 10 bytes", id="eleven bytes"),
        pytest.param("80" * 5000, "more than 10 bytes", id="no end in sight"),
    ],
)
def test_other_forms_are_refused(wire: str, reason: str) -> None:
    with pytest.raises(VarintError, match=reason):
        varint.decode(bytes.fromhex(wire), 0)


@pytest.mark.parametrize("value", [-1, 2**64])
def test_numbers_out_of_range_cannot_be_written(value: int) -> None:
    with pytest.raises(VarintError, match="64 bits"):
        varint.encode(value)


@pytest.mark.parametrize("offset", [-1, 1, 2])
def test_an_offset_outside_the_data_is_cut_off(offset: int) -> None:
    with pytest.raises(VarintError):
        varint.decode(b"\0", offset)


@given(st.integers(0, 2**64 - 1), st.binary(max_size=4), st.binary(max_size=4))
def test_decode_reverses_encode_anywhere(value: int, before: bytes, behind: bytes) -> None:
    data = before + varint.encode(value) + behind
    assert varint.decode(data, len(before)) == (value, len(data) - len(behind))


@given(st.integers(-(2**63), 2**63 - 1))
def test_zigzag_keeps_the_sign(value: int) -> None:
    assert 0 <= varint.zigzag(value) <= 2 * abs(value)
    assert varint.unzigzag(varint.zigzag(value)) == value
