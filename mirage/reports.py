"""The numbers that `encode` and the demo report about the sender's half."""

from collections.abc import Mapping, Sequence

import msgspec

from mirage.ledger import add_up


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


def source_report(width: int, height: int, fps: float, frames: int, duration_s: float) -> Source:
    """Describe a source of which `frames` frames were read."""
    return Source(width, height, fps, duration_s, frames * width * height * 3)


def encoded_report(
    source: Source, layers: Sequence[Mapping[str, int]], still: int, packet_bytes: int, encode_s: float
) -> Encoded:
    """Add up the packets of one source: `layers` has each one's bytes by layer."""
    return Encoded(
        source=source,
        segments=len(layers),
        still_segments=still,
        packet_bytes=packet_bytes,
        layers=add_up(layers),
        ratio=source.raw_bytes / max(packet_bytes, 1),
        encode_s=encode_s,
        realtime_factor=source.duration_s / max(encode_s, 1e-9),
    )
