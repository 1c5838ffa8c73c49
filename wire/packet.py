"""The packet: one segment of one camera, or a gap. This is the body that an envelope carries.

    flags      1 byte   bit 0 still, 1 refresh, 2 cut, 3 historical, 4 boot id follows; 5-7 are zero
    boot id    8 bytes  only where it is not the birth's
    sequence   varint   counts packets of a boot
    captured   varint   ms since boot, at the segment's start
    duration   varint   ms
    layers     each: id (1 byte, bit 7 set on the last layer), varint length, that many bytes;
               ids are 1 to 127 and ascend; a packet without layers has a zero byte instead

Bit 7 of the id costs nothing and makes a packet say where it ends, so that no prefix of it parses.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from wire import varint

MAX_FRAME = 65536  # a whole frame: clear header, body, tag
MAX_BODY = MAX_FRAME - 28  # header of at most 12 bytes, tag of 16
MAX_DURATION_MS = 120_000  # a still segment lasts 60 s; twice that leaves room for a merged tail
BOOT_ID_BYTES = 8

_STILL, _REFRESH, _CUT, _HISTORICAL, _BOOT_ID = 1, 2, 4, 8, 16
_LAST = 0x80


class PacketError(ValueError):
    """The bytes, or the fields, do not make a version-1 packet."""


class Layer(IntEnum):
    """What a layer's payload means. `label` is its name as users see it."""

    CAPTION = 1
    MOTION = 2
    APPEARANCE_VECTOR = 3
    APPEARANCE_TOKENS = 4  # the coarse part
    APPEARANCE_DETAIL = 5  # the fine part, unusable without the coarse one
    POLICY = 6
    GAP = 7

    @property
    def label(self) -> str:
        return self.name.lower().replace("_", "-")


def layer_label(layer: int) -> str:
    """Name a layer as users see it; one that this version does not know is called by its number."""
    try:
        return Layer(layer).label
    except ValueError:
        return f"layer-{layer}"


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet, valid by construction: an instance can always be written.

    `layers` maps ids to payloads; ids unknown to this version are kept, users skip them.
    """

    sequence: int
    captured_ms: int  # since boot
    duration_ms: int
    layers: Mapping[int, bytes]
    still: bool = False  # nothing moves: show the keyframe for the whole duration
    refresh: bool = False  # needs no earlier packet
    cut: bool = False  # begins at a scene cut: not to be blended with what came before
    historical: bool = False  # backlog, not live
    boot_id: bytes | None = None  # only where it is not the birth's

    def __post_init__(self) -> None:
        # Below 2**63, so that every number also fits a signed database column, sums included.
        if not 0 <= self.sequence < 2**63:
            raise PacketError(f"sequence {self.sequence} does not fit in 63 bits")
        if not 0 <= self.captured_ms < 2**48:
            raise PacketError(f"captured_ms {self.captured_ms} does not fit in 48 bits")
        if not 0 <= self.duration_ms <= MAX_DURATION_MS:
            raise PacketError(f"duration_ms {self.duration_ms} is not between 0 and {MAX_DURATION_MS}")
        if self.boot_id is not None and len(self.boot_id) != BOOT_ID_BYTES:
            raise PacketError(f"boot_id has {len(self.boot_id)} bytes, expected {BOOT_ID_BYTES}")
        size = 32  # more than flags, boot id and the three numbers take
        for layer, payload in self.layers.items():
            if not 0 < layer < _LAST:
                raise PacketError(f"layer id {layer} is not between 1 and 127")
            size += len(payload) + 4
        if size > MAX_BODY:
            raise PacketError(f"layers make a packet of about {size} bytes, limit is {MAX_BODY}")

    def __bytes__(self) -> bytes:
        flags = (
            (_STILL if self.still else 0)
            | (_REFRESH if self.refresh else 0)
            | (_CUT if self.cut else 0)
            | (_HISTORICAL if self.historical else 0)
            | (0 if self.boot_id is None else _BOOT_ID)
        )
        parts = [
            bytes((flags,)),
            self.boot_id or b"",
            varint.encode(self.sequence),
            varint.encode(self.captured_ms),
            varint.encode(self.duration_ms),
        ]
        last = max(self.layers, default=0)
        for layer in sorted(self.layers):
            payload = self.layers[layer]
            head = layer | _LAST if layer == last else layer
            parts += (bytes((head,)), varint.encode(len(payload)), payload)
        if not self.layers:
            parts.append(b"\0")
        return b"".join(parts)

    @classmethod
    def parse(cls, data: bytes) -> "Packet":
        """Read a packet, or raise PacketError; no other exception escapes."""
        if not data:
            raise PacketError("packet is empty")
        if len(data) > MAX_BODY:
            raise PacketError(f"packet has {len(data)} bytes, limit is {MAX_BODY}")
        flags = data[0]
        if flags > 31:
            raise PacketError(f"flags {flags:#04x} have bits that version 1 does not know")
        offset, boot_id = 1, None
        if flags & _BOOT_ID:
            offset = 1 + BOOT_ID_BYTES
            boot_id = data[1:offset]
        try:
            sequence, offset = varint.decode(data, offset)
            captured_ms, offset = varint.decode(data, offset)
            duration_ms, offset = varint.decode(data, offset)
            layers = _parse_layers(data, offset)
        except varint.VarintError as error:
            raise PacketError(str(error)) from error
        return cls(
            sequence,
            captured_ms,
            duration_ms,
            layers,
            still=flags & _STILL != 0,
            refresh=flags & _REFRESH != 0,
            cut=flags & _CUT != 0,
            historical=flags & _HISTORICAL != 0,
            boot_id=boot_id,
        )


def as_live(data: bytes) -> bytes:
    """Give the bytes of a packet without boot id and backlog flag; `parse` must have accepted them.

    The same packet comes live without them, and with them once it is backlog.
    """
    flags = data[0]
    rest = data[1 + BOOT_ID_BYTES :] if flags & _BOOT_ID else data[1:]
    return (
        data if not flags & (_BOOT_ID | _HISTORICAL) else bytes((flags & (_STILL | _REFRESH | _CUT),)) + rest
    )


def _parse_layers(data: bytes, offset: int) -> dict[int, bytes]:
    layers: dict[int, bytes] = {}
    size, last, previous = len(data), 0, 0
    while not last:
        if offset >= size:
            raise PacketError(f"packet of {size} bytes ends before its last layer")
        layer, last = data[offset] & 127, data[offset] & _LAST
        if layer == 0 and not last and not layers:
            offset += 1
            break
        if layer <= previous:
            raise PacketError(f"layer id {layer} at byte {offset} does not ascend")
        length, start = varint.decode(data, offset + 1)
        offset = start + length
        if offset > size:
            raise PacketError(f"layer {layer} of {length} bytes is cut off at byte {size}")
        layers[layer] = data[start:offset]
        previous = layer
    if offset != size:
        raise PacketError(f"{size - offset} bytes follow the last layer")
    return layers
