"""The `policy` layer: what binds whoever receives a packet.

    flags     1 byte   bits 0-1  anchors: 0 any, 1 places and things, 2 none
                       bit 2     people are drawn as a stand-in
                       bit 3     no words of the receiver are added
                       bit 4     nothing of it goes to third parties
                       bits 5-6  who may look: 0 viewer, 1 operator, 2 admin
                       bit 7     constraints follow
    each:     id       1 byte   bits 0-5 what it is: 1 largest side in pixels, 2 days to keep
                                bit 6     may be ignored by who does not know it
                                bit 7     the last one
              length   1 byte
              value    that many bytes; of 1 and 2 a varint

Ids ascend. A receiver that does not know a constraint refuses the packet, unless bit 6 of it is set: a
sender may bind by what was invented later. Without a layer nothing binds. Nobody on the way can take it out:
it is sealed with the rest of the packet.
"""

from wire import varint
from wire.packet import PacketError
from wire.policy.errors import PolicyError, UnknownConstraintError
from wire.policy.tables import ANCHORS, ROLES, Demands

LARGEST_PX, KEEP_DAYS = 1, 2
MAX_BYTES = 255
_STAND_IN, _NO_STYLE, _NOT_PUBLISHED, _MORE = 4, 8, 16, 128
_MAY_IGNORE, _LAST = 64, 128


class BindingError(PolicyError, PacketError):
    """The bytes do not make a policy layer."""


def encode(demands: Demands) -> bytes:
    """Write a layer; empty where nothing binds, and then there is none."""
    if not demands.binds:
        return b""
    flags = ANCHORS.index(demands.anchors) | ROLES.index(demands.viewers) << 5
    flags |= _STAND_IN * demands.stand_in | _NO_STYLE * (not demands.style)
    flags |= _NOT_PUBLISHED * (not demands.publish)
    values = {LARGEST_PX: demands.largest_px, KEEP_DAYS: demands.keep_days}
    stated = {number: varint.encode(value) for number, value in values.items() if value is not None}
    parts = [bytes((flags | _MORE * bool(stated),))]
    for number, value in stated.items():
        parts += (bytes((number | _LAST * (number == max(stated)), len(value))), value)
    return b"".join(parts)


def decode(data: bytes) -> Demands:
    """Read a layer; raises BindingError, and UnknownConstraintError where it binds by what is not known."""
    if not data or len(data) > MAX_BYTES:
        raise BindingError(f"policy layer has {len(data)} bytes, not 1 to {MAX_BYTES}")
    flags = data[0]
    anchors, viewers = flags & 3, flags >> 5 & 3
    if anchors == 3 or viewers == 3:
        raise UnknownConstraintError(f"policy flags {flags:#04x} bind by what this version does not know")
    values = _constraints(data) if flags & _MORE else {}
    if not flags & _MORE and len(data) != 1:
        raise BindingError(f"{len(data) - 1} bytes follow the policy flags")
    demands = Demands(
        largest_px=_number(values.get(LARGEST_PX), "largest_px", 16, 8192),
        anchors=ANCHORS[anchors],
        stand_in=bool(flags & _STAND_IN),
        style=not flags & _NO_STYLE,
        publish=not flags & _NOT_PUBLISHED,
        keep_days=_number(values.get(KEEP_DAYS), "keep_days", 1, 36_500),
        viewers=ROLES[viewers],
    )
    if not demands.binds and not flags & _MORE:
        raise BindingError("policy layer demands nothing: it should not be there")
    return demands


def _constraints(data: bytes) -> dict[int, bytes]:
    """Read constraints by their ids; those that may be ignored and are not known are left out."""
    found = dict[int, bytes]()
    offset, previous, last = 1, 0, False
    while not last:
        if offset + 2 > len(data):
            raise BindingError(f"policy layer of {len(data)} bytes ends before its last constraint")
        head, length = data[offset], data[offset + 1]
        number, last = head & 63, bool(head & _LAST)
        if number <= previous:
            raise BindingError(f"policy constraint {number} at byte {offset} does not ascend")
        offset, previous = offset + 2 + length, number
        if offset > len(data):
            raise BindingError(f"policy constraint {number} of {length} bytes is cut off")
        known = number in (LARGEST_PX, KEEP_DAYS)
        if not known and not head & _MAY_IGNORE:
            raise UnknownConstraintError(
                f"policy constraint {number} binds, and this version does not know it"
            )
        if known and head & _MAY_IGNORE:
            raise BindingError(f"policy constraint {number} binds, but is marked as one that may be ignored")
        if known:
            found[number] = data[offset - length : offset]
    if offset != len(data):
        raise BindingError(f"{len(data) - offset} bytes follow the last policy constraint")
    return found


def _number(value: bytes | None, name: str, least: int, most: int) -> int | None:
    if value is None:
        return None
    try:
        number, end = varint.decode(value, 0)
    except varint.VarintError as error:
        raise BindingError(f"policy {name}: {error}") from error
    if end != len(value) or not least <= number <= most:
        raise BindingError(f"policy {name} {number} is not {least} to {most} in {len(value)} bytes")
    return number
