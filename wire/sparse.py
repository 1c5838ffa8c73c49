"""A row of numbers of which most are zero, as it goes over the wire.

    bitmap    varint        bit n is set where number n is not zero
    numbers   varint each   those that are not, in order

A reader passes over numbers that it does not know, so a row can grow at its end.
"""

from collections.abc import Sequence

from wire import varint
from wire.varint import VarintError

MAX_VALUE = 2**63 - 1  # fits a signed database column


class SparseError(ValueError):
    """The bytes, or the numbers, make no such row."""


def encode(numbers: Sequence[int]) -> bytes:
    """Write at most 63 numbers, 0 to 2**63 - 1 each."""
    bitmap, parts = 0, [b""]
    for place, number in enumerate(numbers):
        if number:
            bitmap |= 1 << place
            parts.append(varint.encode(number))
    parts[0] = varint.encode(bitmap)
    return b"".join(parts)


def decode(data: bytes, offset: int, known: int) -> tuple[tuple[int, ...], int]:
    """Read the row at `offset`, or raise SparseError; give `known` of its numbers, and the offset behind."""
    try:
        bitmap, offset = varint.decode(data, offset)
        numbers = [0] * max(known, bitmap.bit_length())
        for place in range(bitmap.bit_length()):
            if not bitmap >> place & 1:
                continue
            numbers[place], after = varint.decode(data, offset)
            if not 0 < numbers[place] <= MAX_VALUE:
                raise SparseError(f"number {numbers[place]} at byte {offset} is zero or above 63 bits")
            offset = after
    except VarintError as error:
        raise SparseError(str(error)) from error
    return tuple(numbers[:known]), offset
