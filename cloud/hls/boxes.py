"""The few boxes of an MP4 fragment that are looked into. Pure.

init      ftyp moov
fragment  moof [ mfhd traf [ tfhd tfdt trun ] ] mdat       tfdt: u8 version, u24 flags, u64 base time
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_HEADER = struct.Struct(">I4s")
_TIME = struct.Struct(">Q")
_TIME_OFFSET = 4  # after version and flags
_WAY_TO_TIME = (b"moof", b"traf", b"tfdt")


class BoxError(ValueError):
    """Bytes are not a fragment of the kind that is made here."""


@dataclass(frozen=True, slots=True)
class Box:
    """A box: its content is at `start` to `end`, its header before that from `begin` on."""

    kind: bytes
    begin: int
    start: int
    end: int


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """Give the boxes that lie one after another. Raises BoxError."""
    end = len(data) if end is None else end
    while start < end:
        if end - start < _HEADER.size:
            raise BoxError(f"{end - start} bytes at {start} are no box")
        size, kind = _HEADER.unpack_from(data, start)
        if not _HEADER.size <= size <= end - start:
            raise BoxError(f"box {kind!r} at {start} says {size} bytes, {end - start} are left")
        yield Box(kind, start, start + _HEADER.size, start + size)
        start += size


def split(film: bytes) -> tuple[bytes, list[bytes]]:
    """Split a fragmented film into its init segment and its fragments. Raises BoxError."""
    init, fragments = b"", []
    for box in boxes(film):
        part = film[box.begin : box.end]
        if box.kind == b"moof":
            fragments.append(part)
        elif fragments:
            fragments[-1] += part
        else:
            init += part
    return init, fragments


def base_time(fragment: bytes) -> int:
    """Read when a fragment begins, in ticks of its film. Raises BoxError."""
    value: int
    (value,) = _TIME.unpack_from(fragment, _place_of_time(fragment))
    return value


def at_time(fragment: bytes, ticks: int) -> bytes:
    """Give the same fragment beginning at another time. Raises BoxError."""
    place = _place_of_time(fragment)
    return fragment[:place] + _TIME.pack(ticks) + fragment[place + _TIME.size :]


def _place_of_time(fragment: bytes) -> int:
    start, end = 0, len(fragment)
    for kind in _WAY_TO_TIME:
        found = next((box for box in boxes(fragment, start, end) if box.kind == kind), None)
        if found is None:
            raise BoxError(f"a fragment without {kind!r}")
        start, end = found.start, found.end
    if fragment[start : start + 1] != b"\x01" or end - start != _TIME_OFFSET + _TIME.size:
        raise BoxError("a fragment whose time has not 64 bits")
    return start + _TIME_OFFSET
