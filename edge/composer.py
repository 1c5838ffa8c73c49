"""Makes packets of segments: numbers them, and sends nothing twice that the receiver still holds.

Where a scene rests there is room for detail: the packets of still segments may take STILL_BYTES between two
refreshes, and what "as before" leaves of that goes to planes that the receiver lacks. Before a camera that
rests the first keyframe of a scene, and that of each refresh, is sent twice as deep: whatever nothing passes
by keeps it.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count

from edge.menu import Ceiling, Menu, Plan, menu_of, with_binding
from wire.packet import Layer, Packet
from wire.segment import Codec, Segment

REFRESH_MS = 60_000  # a receiver that lost a packet, or has just come, waits no longer than this
Choose = Callable[[Menu], Plan]
STILL_BYTES = 116  # with the 3 or 4 bytes of a clear header: 120 for a still minute


class Composer:
    """One camera's packets. `sequences` is shared by the cameras of a device: they count together.

    Keeps what the receiver holds after each packet, and forgets it at every refresh. A packet that is no
    refresh ends at most `refresh_ms` after the start of the last one that is.
    """

    def __init__(
        self,
        codec: Codec,
        planes: int | None,
        refresh_ms: int = REFRESH_MS,
        sequences: Iterator[int] | None = None,
        still_bytes: int = STILL_BYTES,
        choose: Choose | None = None,
    ) -> None:
        """Send all that settings allow, or what `choose` picks of it."""
        self._most_planes: int | None = None
        self._bound: dict[int, bytes] = {}
        self._choose = choose
        self._codec = codec
        self._planes = planes
        self._refresh_ms = refresh_ms
        self._sequences = count() if sequences is None else sequences
        self._still_bytes = still_bytes
        self._still_left = still_bytes
        self._held: Segment | None = None
        self._refreshed_ms = 0
        self._wanted = False

    def compose(self, segment: Segment) -> Packet:
        """Make the next packet; raises PacketError for a segment that cannot be sent."""
        due = segment.start_ms + segment.duration_ms - self._refreshed_ms > self._refresh_ms
        held = None if due or self._wanted else self._held
        self._wanted = False
        if held is None:
            self._refreshed_ms, self._still_left = segment.start_ms, self._still_bytes
        packet = self._pack(replace(segment, sequence=next(self._sequences)), held)
        if packet.still:  # an embedding does not count: it is sent where it must be, and once
            vector = len(packet.layers.get(Layer.APPEARANCE_VECTOR, b""))
            self._still_left -= len(bytes(packet)) - vector
        self._held = self._codec.resolve(packet, held)
        return packet

    def govern(self, choose: Choose | None) -> None:
        """Let `choose` pick from the next packet on; without it, all is sent. May be called by any thread."""
        self._choose = choose

    def refresh(self) -> None:
        """Make the next packet a refresh. May be called by any thread."""
        self._wanted = True

    def adopt(
        self, planes: int | None, still_bytes: int, most_planes: int | None = None, binding: bytes = b""
    ) -> None:
        """Send as much as this from the next packet on, and never more than `most_planes`.

        `binding` is the policy layer of each packet; empty for none.
        """
        self._planes = planes
        self._most_planes = most_planes
        self._bound = {int(Layer.POLICY): binding} if binding else {}
        self._still_left += still_bytes - self._still_bytes
        self._still_bytes = still_bytes

    def _pack(self, segment: Segment, held: Segment | None) -> Packet:
        packet = Packet(
            sequence=segment.sequence,
            captured_ms=segment.start_ms,
            duration_ms=segment.duration_ms,
            layers=self._bound,
            still=segment.still,
            refresh=held is None,
            cut=segment.cut,
        )
        if self._choose is not None:
            return replace(packet, layers=self._choose(self._menu(segment, packet, held)).layers)
        if segment.still and self._planes != 0:
            layers = self._codec.layers(segment, held, self._most_planes, self._still_room(packet))
        else:
            layers = self._codec.layers(segment, held, self._depth(segment, held))
        return replace(packet, layers={**self._bound, **layers})

    def _menu(self, segment: Segment, packet: Packet, held: Segment | None) -> Menu:
        planes = self._depth(segment, held)
        planes = self._codec.planes if planes is None else planes
        ceiling = Ceiling(planes, self._still_room(packet), _rests(segment), self._most_planes)
        return with_binding(menu_of(segment, packet, held, self._codec, ceiling), self._bound)

    def _still_room(self, packet: Packet) -> int:
        nothing = 0 if packet.layers else 1  # the zero byte for "no layers", which goes
        return self._still_left - len(bytes(packet)) + nothing

    def _depth(self, segment: Segment, held: Segment | None) -> int | None:
        """How many planes are sent where things move."""
        planes = self._planes
        if planes and segment.tokens is not None and (held is None or segment.cut) and _rests(segment):
            planes = min(2 * planes, len(segment.tokens))
        if planes is None or self._most_planes is None:
            return self._most_planes if planes is None else planes
        return min(planes, self._most_planes)


def _rests(segment: Segment) -> bool:
    return segment.motion is not None and segment.motion.camera_rests
