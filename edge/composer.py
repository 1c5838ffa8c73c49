"""Makes packets of segments: numbers them, and sends nothing twice that the receiver still holds."""

from collections.abc import Iterator
from itertools import count

from wire.packet import Packet
from wire.segment import Codec, Segment

REFRESH_MS = 60_000  # a receiver that lost a packet, or has just come, waits no longer than this


class Composer:
    """One camera's packets. `sequences` is shared by the cameras of a device: they count together.

    Keeps what the receiver holds after each packet, and forgets it at every refresh.
    """

    def __init__(
        self,
        codec: Codec,
        planes: int | None,
        refresh_ms: int = REFRESH_MS,
        sequences: Iterator[int] | None = None,
    ) -> None:
        self._codec = codec
        self._planes = planes
        self._refresh_ms = refresh_ms
        self._sequences = count() if sequences is None else sequences
        self._held: Segment | None = None
        self._refreshed_ms = 0

    def compose(self, segment: Segment) -> Packet:
        """Make the next packet; raises PacketError for a segment that cannot be sent."""
        due = segment.start_ms - self._refreshed_ms >= self._refresh_ms
        held = None if due else self._held
        layers = self._codec.layers(segment, held, self._planes)
        packet = Packet(
            sequence=next(self._sequences),
            captured_ms=segment.start_ms,
            duration_ms=segment.duration_ms,
            layers=layers,
            still=segment.still,
            refresh=held is None,
            cut=segment.cut,
        )
        if packet.refresh:
            self._refreshed_ms = segment.start_ms
        self._held = self._codec.resolve(packet, held)
        return packet
