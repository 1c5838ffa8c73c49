"""Strings of bits: numbers of any width, and small numbers in few bits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.bits import BitReader, BitsError, BitWriter


def test_numbers_are_written_most_significant_first_and_padded() -> None:
    writer = BitWriter()
    writer.write(5, 3)
    writer.write(-1, 4)
    for number in (1, 2, 5):
        writer.write_gamma(number)
    assert writer.finish() == bytes([0b10111111, 0b01000101])


@given(st.lists(st.one_of(st.tuples(st.integers(0, 500), st.integers(9, 12)), st.integers(1, 500))))
def test_what_was_written_is_read(numbers: list[tuple[int, int] | int]) -> None:
    writer = BitWriter()
    for number in numbers:
        if isinstance(number, int):
            writer.write_gamma(number)
        else:
            writer.write(*number)
    reader = BitReader(writer.finish())
    for number in numbers:
        if isinstance(number, int):
            assert reader.read_gamma(8) == number
        else:
            assert reader.read(number[1]) == number[0]
    reader.finish()


def test_too_few_and_too_many_bits_are_errors() -> None:
    with pytest.raises(BitsError, match="too early"):
        BitReader(b"\xff").read(9)
    with pytest.raises(BitsError, match="more than 3 zeros"):
        BitReader(b"\x08").read_gamma(3)
    for data in (b"\x80\0", b"\x81"):
        reader = BitReader(data)
        reader.read(1)
        with pytest.raises(BitsError, match="after their end"):
            reader.finish()
