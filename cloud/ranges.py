"""HTTP byte ranges (RFC 9110, section 14), as far as players use them. Pure."""

import re
from dataclasses import dataclass

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class RangeError(ValueError):
    """The range asks for nothing that the object has."""


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes `start` to `end`, the latter excluded, of an object of `size` bytes."""

    start: int
    end: int
    size: int

    @property
    def content_range(self) -> str:
        return f"bytes {self.start}-{self.end - 1}/{self.size}"


def parse_range(header: str, size: int) -> Span | None:
    """Read a Range header; None if it is to be ignored, as any but one simple range may be.

    Raises RangeError if it cannot be satisfied.
    """
    match = _RANGE.fullmatch(header.strip())
    if match is None or match[1] == match[2] == "":
        return None
    if match[1] == "":
        start, end = max(size - int(match[2]), 0), size
    else:
        start = int(match[1])
        end = size if match[2] == "" else min(int(match[2]) + 1, size)
        if match[2] and int(match[2]) < start:
            return None
    if start >= end:
        raise RangeError(f"bytes {header} of {size}")
    return Span(start, end, size)
