"""Strings of bits, most significant first, padded with zeros to whole bytes."""


class BitsError(ValueError):
    """The bits end too early, or go on where nothing more is expected."""


class BitWriter:
    """Collects numbers."""

    def __init__(self) -> None:
        self._bits, self._count = 0, 0

    def write(self, value: int, width: int) -> None:
        """Add the lowest `width` bits of a number; negative ones are written as two's complement."""
        self._bits = self._bits << width | value & (1 << width) - 1
        self._count += width

    def write_gamma(self, value: int) -> None:
        """Add a number from 1 on in Elias gamma code: as many zeros as bits follow its first one."""
        self.write(value, 2 * value.bit_length() - 1)

    def finish(self) -> bytes:
        """Give all of it."""
        return (self._bits << -self._count % 8).to_bytes((self._count + 7) // 8, "big")


class BitReader:
    """Gives back what a BitWriter was given."""

    def __init__(self, data: bytes) -> None:
        self._bits, self._left = int.from_bytes(data, "big"), 8 * len(data)

    def read(self, width: int) -> int:
        """Take a number of `width` bits, not negative; raises BitsError."""
        if width > self._left:
            raise BitsError("bits end too early")
        self._left -= width
        return self._bits >> self._left & (1 << width) - 1

    def read_gamma(self, most_zeros: int) -> int:
        """Take a number in Elias gamma code that begins with so many zeros at most; raises BitsError."""
        zeros = 0
        while not self.read(1):
            zeros += 1
            if zeros > most_zeros:
                raise BitsError(f"a number begins with more than {most_zeros} zeros")
        return 1 << zeros | self.read(zeros)

    def finish(self) -> None:
        """Raise BitsError unless nothing but padding is left."""
        if self._left >= 8 or self.read(self._left):
            raise BitsError("bits go on after their end")
