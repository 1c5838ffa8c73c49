"""A range coder over static integer frequencies, exact on every machine.

The encoder keeps the low end as one unbounded integer, so a carry needs no care; the decoder keeps
only the distance from it. A symbol is an interval [start, start + size) of [0, total).

       |---- start ----|-- size --|---------|  total
      low             low'      low' + range'

The message is any number in the last interval: `finish` takes the one with the fewest bytes, and the
decoder reads zeros behind them. Costs at most one byte more than the ideal code length.
"""

MAX_TOTAL = 2**24
_TOP = 56  # bits of a fresh range
_STEP = 24  # bits that one renormalisation writes
_BOTTOM = 1 << _TOP - _STEP  # 2**32: even at MAX_TOTAL the rounding costs less than 0.6 %


class RangeCoderError(ValueError):
    """A frequency is no interval, or the bytes were not written with these frequencies."""


class Encoder:
    """Takes symbols, gives bytes."""

    def __init__(self) -> None:
        self._low = 0
        self._range = 1 << _TOP
        self._bits = _TOP

    def encode(self, start: int, size: int, total: int) -> None:
        """Append the symbol that owns [start, start + size) of [0, total), total at most MAX_TOTAL."""
        _check(start, size, total)
        unit = self._range // total
        self._low += start * unit
        # The last symbol also gets what the division left over.
        rest = self._range - start * unit if start + size == total else size * unit
        if rest < _BOTTOM:
            self._low <<= _STEP
            self._bits += _STEP
            rest <<= _STEP
        self._range = rest

    def finish(self) -> bytes:
        """Give the shortest message; trailing zero bytes are left off."""
        low, high = self._low, self._low + self._range
        zeros = high.bit_length()
        while True:
            value = -(-low >> zeros) << zeros  # the first multiple of 2**zeros from low upwards
            if value < high:
                return value.to_bytes((self._bits + 7) // 8, "big").rstrip(b"\0")
            zeros -= 1


class Decoder:
    """Takes bytes, gives symbols: ask for a target, find its owner, advance over its interval."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._offset = _TOP // 8
        self._code = int.from_bytes(data[: self._offset].ljust(self._offset, b"\0"), "big")
        self._range = 1 << _TOP

    def decode_target(self, total: int) -> int:
        """Give a number in [0, total) that lies within the next symbol's interval."""
        _check(0, total, total)
        target = self._code // (self._range // total)
        return target if target < total else total - 1

    def advance(self, start: int, size: int, total: int) -> None:
        """Step over the symbol that owns the target."""
        _check(start, size, total)
        unit = self._range // total
        rest = self._range - start * unit if start + size == total else size * unit
        code = self._code - start * unit
        if not 0 <= code < rest:
            raise RangeCoderError(f"interval {start} + {size} of {total} is not where the message is")
        if rest < _BOTTOM:
            chunk = self._data[self._offset : self._offset + _STEP // 8].ljust(_STEP // 8, b"\0")
            code = code << _STEP | int.from_bytes(chunk, "big")
            self._offset += _STEP // 8
            rest <<= _STEP
        self._code, self._range = code, rest

    def finish(self) -> None:
        """Raise RangeCoderError if bytes are left that no symbol has needed."""
        if self._offset < len(self._data):
            raise RangeCoderError(f"{len(self._data) - self._offset} bytes follow the last symbol")


def _check(start: int, size: int, total: int) -> None:
    if not 0 <= start < start + size <= total <= MAX_TOTAL:
        raise RangeCoderError(f"interval {start} + {size} of {total} is not within 1 to {MAX_TOTAL}")
