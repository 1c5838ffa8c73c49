"""The gap record: a range of sequences that the device gave up, and why.

    first    varint   first sequence given up
    more     varint   how many follow it
    reason   1 byte   see GapReason; an unknown one is kept

It travels as the only layer of a packet of no duration, in the place of the first packet that it gives up:
its sequence is that one's. A receiver that has some of the range notes the rest, and acknowledges all.
"""

from dataclasses import dataclass
from enum import IntEnum

from wire import varint
from wire.packet import PacketError


class GapError(PacketError):
    """The bytes, or the fields, do not make a gap record."""


class GapReason(IntEnum):
    """Why packets will never come."""

    SPOOL_FULL = 1  # the oldest were dropped to make room
    DAMAGED = 2  # the spool could not read them back
    REFUSED = 3  # a policy forbade to send them
    EXPIRED = 4  # they waited longer than the device keeps packets
    OVERLOADED = 5  # segments that were captured faster than they can be described


@dataclass(frozen=True, slots=True)
class Gap:
    """Sequences `first` to `last`, both included, are given up."""

    first: int
    last: int
    reason: int

    def __post_init__(self) -> None:
        if not 0 <= self.first <= self.last < 2**63:
            raise GapError(f"gap from {self.first} to {self.last} is no range of sequences")
        if not 0 <= self.reason < 256:
            raise GapError(f"gap reason {self.reason} does not fit in a byte")

    @property
    def label(self) -> str:
        """The reason as users see it."""
        try:
            return GapReason(self.reason).name.lower().replace("_", "-")
        except ValueError:
            return f"reason-{self.reason}"


def encode(gap: Gap) -> bytes:
    """Write the payload of a gap layer."""
    return varint.encode(gap.first) + varint.encode(gap.last - gap.first) + bytes((gap.reason,))


def decode(data: bytes) -> Gap:
    """Read the payload of a gap layer, or raise GapError."""
    try:
        first, offset = varint.decode(data, 0)
        more, offset = varint.decode(data, offset)
    except varint.VarintError as error:
        raise GapError(str(error)) from error
    if len(data) != offset + 1:
        raise GapError(f"gap record has {len(data)} bytes, expected {offset + 1}")
    return Gap(first, first + more, data[offset])
