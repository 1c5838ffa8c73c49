"""What a spool can do without, and how it says what it gave up. Pure.

Detail layers go first: `wire.memory` reads every packet without them, only coarser. Then whole scenes go,
from a refresh up to the next one: what follows a packet that is gone repeats or changes it, and says nothing
alone.

A gap record takes the place, and the sequence, of the first packet that it gives up. So it needs no number of
its own, which a boot that is over could not give out and which would tear the scene in two that it came into;
and no number names two things: a receiver notes of a gap what it has not stored, and acknowledges all of it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from wire import gap
from wire.documents import AckWatermark
from wire.gap import Gap
from wire.packet import Layer, Packet, PacketError

Range = tuple[int, int]  # of sequences, both included


@dataclass(frozen=True, slots=True)
class Traits:
    """What the spool must know of a packet. One that cannot be read stands alone and has no detail."""

    refresh: bool = True
    detail_bytes: int = 0
    captured_ms: int = 0


def traits(body: bytes) -> Traits:
    """Look into a packet."""
    try:
        packet = Packet.parse(body)
    except PacketError:
        return Traits()
    return Traits(packet.refresh, len(packet.layers.get(Layer.APPEARANCE_DETAIL, b"")), packet.captured_ms)


def without_detail(body: bytes) -> bytes:
    """Write a packet that can be read without its detail layer."""
    packet = Packet.parse(body)
    layers = {layer: data for layer, data in packet.layers.items() if layer != Layer.APPEARANCE_DETAIL}
    return bytes(replace(packet, layers=layers))


def gap_body(lost: Gap, captured_ms: int) -> bytes:
    """Write the packet that reports a gap; `captured_ms` is when its first packet was captured."""
    return bytes(Packet(lost.first, captured_ms, 0, {Layer.GAP: gap.encode(lost)}))


def ranges_of(sequences: Iterable[int]) -> list[Range]:
    """Join ascending sequences to ranges.

    >>> ranges_of([1, 2, 3, 7])
    [(1, 3), (7, 7)]
    """
    ranges: list[Range] = []
    for sequence in sequences:
        if ranges and sequence == ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], sequence)
        else:
            ranges.append((sequence, sequence))
    return ranges


def absent(first: int, last: int, present: Iterable[Range]) -> list[Range]:
    """Give what of `first` to `last` is in none of `present`, which ascend.

    >>> absent(0, 9, [(2, 3), (9, 12)])
    [(0, 1), (4, 8)]
    """
    ranges: list[Range] = []
    for low, high in present:
        if low > last:
            break
        if low > first:
            ranges.append((first, low - 1))
        first = max(first, high + 1)
    return [*ranges, (first, last)] if first <= last else ranges


def covered(watermark: AckWatermark) -> list[Range]:
    """Give the ranges that a watermark acknowledges."""
    return absent(0, watermark.highest, watermark.holes)
