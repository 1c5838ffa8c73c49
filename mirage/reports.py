"""The numbers that `encode` and the demo report about the sender's half."""

from collections.abc import Sequence

import msgspec

from mirage.ledger import add_up, layer_bytes
from wire.packet import Packet


class Source(msgspec.Struct, frozen=True):
    """The video as it came: what was seen of it, counted; `raw_bytes` are all its frames as RGB24."""

    width: int
    height: int
    fps: float
    duration_s: float
    raw_bytes: int


class Encoded(msgspec.Struct, frozen=True):
    """What `mirage encode --json` prints.

    `packet_bytes` are whole frames as they would be published, so they exceed the sum of `layers` by
    the framing. `encode_s` is from the opened source to the last packet, without loading the models.
    """

    source: Source
    segments: int
    still_segments: int
    packet_bytes: int
    layers: dict[str, int]
    ratio: float
    encode_s: float
    realtime_factor: float


def source_report(width: int, height: int, fps: float, frames: int, end_us: int) -> Source:
    """Describe a source of which `frames` frames were read, the last of which ended at `end_us`."""
    return Source(width, height, fps, end_us / 1e6, frames * width * height * 3)


def encoded_report(source: Source, packets: Sequence[Packet], packet_bytes: int, encode_s: float) -> Encoded:
    """Add up the packets of one source."""
    return Encoded(
        source=source,
        segments=len(packets),
        still_segments=sum(packet.still for packet in packets),
        packet_bytes=packet_bytes,
        layers=add_up([layer_bytes(packet) for packet in packets]),
        ratio=source.raw_bytes / max(packet_bytes, 1),
        encode_s=encode_s,
        realtime_factor=source.duration_s / max(encode_s, 1e-9),
    )
