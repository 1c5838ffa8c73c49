"""Packets become segments: what "as before" refers to is looked up. Pure.

packets of one camera and boot, ascending   refresh, ., ., ., refresh, ., .
                                               '-- each needs at most what follows its last refresh
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from wire.packet import Layer, Packet, PacketError
from wire.segment import Codec, Segment


class SceneError(PacketError):
    """A packet cannot be understood without one that is not here; the message names its sequence."""


@dataclass(frozen=True, slots=True)
class Link:
    """A packet and whether it directly follows the one before: `broken` where packets are missing."""

    packet: Packet
    broken: bool


def resolve(packets: Sequence[Packet], codec: Codec) -> list[Segment]:
    """Read the packets of a whole recording; gap records are skipped, and what they hide is forgotten.

    Raises SceneError for packets out of order or without what they refer to, PacketError for damaged ones.
    """
    segments: list[Segment] = []
    last, follows = -1, False
    for packet in packets:
        if packet.sequence <= last:
            raise SceneError(f"packet {packet.sequence} comes after packet {last}")
        follows = follows and packet.sequence == last + 1
        last = packet.sequence
        if Layer.GAP in packet.layers:
            follows = False
            continue
        segments.append(read(packet, segments[-1] if segments else None, codec, follows=follows))
        follows = True
    return segments


def read(packet: Packet, previous: Segment | None, codec: Codec, *, follows: bool = True) -> Segment:
    """Read one packet. `previous` is the last segment that was read; say if the packet directly `follows`.

    Where it does not, "as before" says nothing, nor does the absence of a vector; changes of a keyframe name
    theirs, so they may still be read. Raises SceneError, PacketError.
    """
    if (previous is None or not follows) and not packet.refresh and repeats(packet):
        raise SceneError(f"packet {packet.sequence} repeats what an earlier one said, which is not here")
    if previous is not None and not follows:  # a packet that is not here may have brought another one
        previous = replace(previous, vector=None)
    return codec.resolve(packet, previous)


def read_caption(packet: Packet, previous: str | None, codec: Codec, *, known: bool) -> str | None:
    """Read no more of a packet than its caption, which is cheap.

    `previous` is what the packet before said, if that is `known`. Raises SceneError, PacketError.
    """
    layers = {layer: payload for layer, payload in packet.layers.items() if layer == Layer.CAPTION}
    before = Segment(0, 0, previous, None, None, 0, still=False, cut=False) if known else None
    return read(replace(packet, layers=layers, still=False), before, codec).caption


def repeats(packet: Packet) -> bool:
    """Tell whether a packet says "as before", so that it is nothing without its predecessor."""
    same_caption = packet.layers.get(Layer.CAPTION) == b""
    same_scene = packet.still and not packet.cut and Layer.APPEARANCE_TOKENS not in packet.layers
    return same_caption or same_scene


def begins_anew(packet: Packet) -> bool:
    """Tell whether a packet hangs on none before it."""
    return packet.refresh and not repeats(packet)


def resolve_around(links: Sequence[Link], sequence: int, codec: Codec) -> tuple[list[Segment], int]:
    """Read what can be read of an incomplete stream; give the segments and where `sequence` is among them.

    What is read is what a complete stream says, but for detail that a missing packet has brought. Raises
    SceneError or PacketError if that one cannot be read.
    """
    segments: list[Segment] = []
    index, follows = -1, False
    for link in links:
        follows = follows and not link.broken
        try:
            segment = read(link.packet, segments[-1] if segments else None, codec, follows=follows)
        except PacketError:
            if link.packet.sequence == sequence:
                raise
            follows = False
            continue
        if link.packet.sequence == sequence:
            index = len(segments)
        segments.append(segment)
        follows = True
    if index < 0:
        raise SceneError(f"packet {sequence} is not here")
    return segments, index
