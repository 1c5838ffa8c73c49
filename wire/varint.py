"""Unsigned integers below 2**64 as LEB128: seven bits a byte, least significant first.

    value < 128     0vvvvvvv
    otherwise       1vvvvvvv 1vvvvvvv ... 0vvvvvvv

The last byte of several is never zero.
"""

MAX_VALUE = 2**64 - 1
_MAX_BYTES = 10
_SINGLE = tuple(bytes([value]) for value in range(128))


class VarintError(ValueError):
    """The bytes are no varint, or the number does not fit in one."""


def encode(value: int) -> bytes:
    """Write `value`, 0 to 2**64 - 1, in as few bytes as it takes."""
    if 0 <= value < 128:
        return _SINGLE[value]
    if not 0 <= value <= MAX_VALUE:
        raise VarintError(f"{value} does not fit in 64 bits without a sign")
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def decode(data: bytes, offset: int) -> tuple[int, int]:
    """Read the number at `offset`; give it and the offset behind it.

    One number has one form: a longer one than needed is refused, so that equal meaning is equal bytes.
    """
    end = len(data)
    if 0 <= offset < end and data[offset] < 128:
        return data[offset], offset + 1
    value = shift = 0
    for at in range(offset, min(end, offset + _MAX_BYTES)):
        byte = data[at]
        value |= (byte & 127) << shift
        if byte < 128:
            if byte == 0 or value > MAX_VALUE:
                raise VarintError(f"varint at byte {offset} is overlong or above 64 bits")
            return value, at + 1
        shift += 7
    reason = "is cut off" if offset + _MAX_BYTES > end else "has more than 10 bytes"
    raise VarintError(f"varint at byte {offset} {reason}")


def zigzag(value: int) -> int:
    """Map 0, -1, 1, -2, ... to 0, 1, 2, 3, ..., so that small numbers of either sign stay short."""
    return value * 2 if value >= 0 else -value * 2 - 1


def unzigzag(value: int) -> int:
    """Undo `zigzag`."""
    return value >> 1 if value & 1 == 0 else -(value >> 1) - 1
