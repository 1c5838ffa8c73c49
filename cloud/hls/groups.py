"""Packets of a clip, grouped into pieces that can be decoded by themselves.

    packets   IDR . . . . IDR . . . . IDR . IDR .      keyframes are at most 2 s apart
    groups    '---------' '---------' '---------'      put together up to 2 s

The parameter sets (SPS, PPS), which an MP4 keeps in its header, are also put before each group: FFmpeg's HLS
client does not read another init segment than the first.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import TypeAlias, cast

from av.packet import Packet
from av.video.stream import VideoStream

PIECE_S = 2  # what clips are cut to: their keyframes are at most that far apart (cloud.render.mp4)
_LONGEST_S = Fraction(5, 2)  # more would be rounded up beyond PIECE_S, which players hold us to

VideoPacket: TypeAlias = "Packet[VideoStream]"


class GroupError(ValueError):
    """Packets cannot be grouped."""


def grouped(packets: Sequence[VideoPacket], timescale: int, extradata: bytes) -> list[list[VideoPacket]]:
    """Group the packets of a clip, whose time counts in 1 / `timescale` s. Raises GroupError."""
    groups = list(_merged(_between_keyframes(packets, timescale), timescale))
    sets = parameter_sets(extradata)
    return [[_copy(group[0], sets + bytes(group[0])), *group[1:]] for group in groups]


def ticks_of(group: Iterable[VideoPacket]) -> int:
    """Tell how long packets last."""
    return sum(packet.duration or 0 for packet in group)


def parameter_sets(extradata: bytes) -> bytes:
    """Give the parameter sets of an `avcC` box, each after its length (u32). Raises GroupError.

    avcC: u8 version 1, u8 profile, u8 compatibility, u8 level, u8 252 + length size - 1,
    u8 224 + number of SPS, (u16 length, SPS)*, u8 number of PPS, (u16 length, PPS)*
    """
    if len(extradata) < 7 or extradata[0] != 1 or extradata[4] & 3 != 3:
        raise GroupError(
            f"parameter sets {extradata[:8].hex()}, expected those of H.264 with lengths of 4 bytes"
        )
    sets, place = b"", 5
    for mask in (31, 255):
        count, place = extradata[place] & mask, place + 1
        for _ in range(count):
            end = place + 2 + int.from_bytes(extradata[place : place + 2], "big")
            if end > len(extradata) - (mask == 31):
                raise GroupError(f"parameter sets end at {end} of {len(extradata)} bytes")
            sets += b"\0\0" + extradata[place:end]
            place = end
    return sets


def _between_keyframes(packets: Sequence[VideoPacket], timescale: int) -> Iterator[list[VideoPacket]]:
    """Group packets by the keyframe that they hang on; a single one that lasts too long is repeated."""
    starts = [index for index, packet in enumerate(packets) if packet.is_keyframe]
    if not starts or starts[0] != 0:
        raise GroupError("a clip that does not begin with a keyframe")
    for start, end in zip(starts, [*starts[1:], len(packets)], strict=True):
        group = list(packets[start:end])
        seconds = Fraction(ticks_of(group), timescale)
        if seconds <= _LONGEST_S:
            yield group
        elif len(group) == 1:
            yield from ([copy] for copy in _repeated(group[0], math.ceil(seconds / PIECE_S)))
        else:
            raise GroupError(f"keyframes {float(seconds):.1f} s apart, at most {PIECE_S} can be cut")


def _merged(groups: Iterable[list[VideoPacket]], timescale: int) -> Iterator[list[VideoPacket]]:
    """Put groups together up to PIECE_S. Inside, keyframes are not called so: the muxer would cut there."""
    merged: list[VideoPacket] = []
    for group in groups:
        if merged and ticks_of(merged) + ticks_of(group) > PIECE_S * timescale:
            yield merged
            merged = []
        if merged:
            group[0].is_keyframe = False
        merged += group
    if merged:
        yield merged


def _repeated(packet: VideoPacket, count: int) -> Iterator[VideoPacket]:
    """Show a packet's picture `count` times, for as long in all."""
    whole, first = packet.duration or 0, packet.pts or 0
    for index in range(count):
        begin, end = whole * index // count, whole * (index + 1) // count
        yield _copy(packet, bytes(packet), first + begin, end - begin)


def _copy(
    packet: VideoPacket, data: bytes, pts: int | None = None, duration: int | None = None
) -> VideoPacket:
    """Give a keyframe's packet with other data, and perhaps another time."""
    copy = cast("VideoPacket", Packet(data))  # it gets its stream when it is written
    copy.time_base, copy.is_keyframe = packet.time_base, True
    copy.pts, copy.dts = (packet.pts, packet.dts) if pts is None else (pts, pts)
    copy.duration = packet.duration if duration is None else duration
    return copy
