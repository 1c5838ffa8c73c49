"""A segment as both sides understand it, and the layers that carry it.

What did not change since the previous segment is not sent again:

    caption layer absent             nothing is said
    caption layer empty              as before
    appearance absent, and still     as before: the scene is the previous one
    only detail, and still           the same scene, in more detail
    appearance absent, not still     nothing is shown; what to draw is the renderer's choice
    vector absent, no cut            as before

`wire.memory` says what the appearance layers are, and what they add to.

"Previous" is always what the receiver holds, that is what `resolve` gave for the packet before; a
refresh has none.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wire import motion as motions
from wire.memory import Keyframe, Memory, SceneCoder, keyframe_ms, place_of, size_of
from wire.motion import Motion
from wire.packet import Layer, Packet, PacketError
from wire.text import TextModel
from wire.tokens import TokenModel
from wire.vector import Vector, VectorModel


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """A few seconds of one camera; `keyframe_ms` counts from `start_ms`, tokens are uint8 (D, h, w).

    `vector` is the keyframe's embedding as `wire.vector` quantises it, int8 (size,).

    In one that was received, tokens that were not sent are UNKNOWN, and `memory` is what they come from.
    """

    start_ms: int
    duration_ms: int
    caption: str | None
    motion: Motion | None
    tokens: NDArray[np.uint8] | None
    keyframe_ms: int
    still: bool
    cut: bool
    sequence: int = 0
    memory: Memory | None = None
    vector: Vector | None = None


class Codec:
    """Turns segments into layers and back, under one bundle's tables.

    A vector whose cosine to the one before is `hold` or more is taken for the same.
    """

    def __init__(
        self,
        text: TextModel,
        tokens: TokenModel | None,
        vectors: VectorModel | None = None,
        hold: float = 1.0,
    ) -> None:
        self._text = text
        self._scenes = None if tokens is None else SceneCoder(tokens)
        self._vectors = vectors
        self._hold = hold

    def layers(
        self, segment: Segment, previous: Segment | None, planes: int | None, room: int | None = None
    ) -> dict[int, bytes]:
        """Write a segment's layers; raises PacketError for what cannot be sent.

        `planes` of the tokens are sent: all if None, none if 0, else at least the coarse ones. With `room`,
        fewer where all layers would take more bytes than that.
        A vector is sent where it says something new, whatever the room.
        """
        layers: dict[int, bytes] = {}
        if segment.caption is not None:
            same = previous is not None and previous.caption == segment.caption
            layers[Layer.CAPTION] = b"" if same else self._text.encode(segment.caption)
        if segment.motion is not None:
            layers[Layer.MOTION] = motions.encode(segment.motion)
        if segment.vector is not None:
            layers |= self._vector(segment, segment.vector, previous)
        if segment.tokens is not None and planes != 0:
            left = None if room is None else room - size_of(layers)
            layers |= self._appearance(segment, segment.tokens, previous, planes, left)
        return layers

    @property
    def coarse_planes(self) -> int:
        """How many planes a picture has at least; 0 without tables for tokens."""
        return 0 if self._scenes is None else self._scenes.coarse_planes

    @property
    def planes(self) -> int:
        """How many planes a picture has at most; 0 without tables for tokens."""
        return 0 if self._scenes is None else self._scenes.planes

    def difference(self, tokens: NDArray[np.uint8], memory: Memory) -> NDArray[np.float64]:
        """How wrong each cell (h, w) of a memory is, where tokens are right: more than 1 is visible."""
        if self._scenes is None:
            raise PacketError("there are tokens, but the bundle has no tables for them")
        return self._scenes.difference(tokens, memory)

    def resolve(self, packet: Packet, previous: Segment | None) -> Segment:
        """Read a packet that follows `previous`, or raise PacketError."""
        layers = packet.layers
        if Layer.GAP in layers:
            raise PacketError(f"packet {packet.sequence} is a gap record, not a segment")
        if packet.refresh:
            previous = None
        memory = self._memory(packet, previous)
        return Segment(
            start_ms=packet.captured_ms,
            duration_ms=packet.duration_ms,
            caption=self._caption(packet, previous),
            motion=motions.decode(layers[Layer.MOTION]) if Layer.MOTION in layers else None,
            tokens=None if memory is None else memory.tokens,
            keyframe_ms=keyframe_ms(layers, packet.duration_ms),
            still=packet.still,
            cut=packet.cut,
            sequence=packet.sequence,
            memory=memory,
            vector=self._seen_vector(packet, previous),
        )

    def _vector(self, segment: Segment, vector: Vector, previous: Segment | None) -> dict[int, bytes]:
        if self._vectors is None:
            raise PacketError("segment has a vector, but the bundle has no tables for it")
        held = None if segment.cut or previous is None else previous.vector
        if held is not None and self._vectors.likeness(vector, held) >= self._hold:
            return {}
        return {Layer.APPEARANCE_VECTOR: self._vectors.encode(vector)}

    def _seen_vector(self, packet: Packet, previous: Segment | None) -> Vector | None:
        payload = packet.layers.get(Layer.APPEARANCE_VECTOR)
        if payload is None:
            return None if packet.cut or previous is None else previous.vector
        if self._vectors is None:
            raise PacketError(f"packet {packet.sequence} has a vector, but none that can be read")
        return self._vectors.decode(payload)

    def _appearance(
        self,
        segment: Segment,
        tokens: NDArray[np.uint8],
        previous: Segment | None,
        planes: int | None,
        room: int | None,
    ) -> dict[int, bytes]:
        if self._scenes is None:
            raise PacketError("segment has tokens, but the bundle has no tables for them")
        place = place_of(segment.keyframe_ms, segment.duration_ms)
        memory = None if segment.cut or previous is None else previous.memory
        return self._scenes.layers(
            Keyframe(tokens, place, segment.sequence),
            memory,
            len(tokens) if planes is None else planes,
            room,
            rests=segment.still,
        )

    def _memory(self, packet: Packet, previous: Segment | None) -> Memory | None:
        """Give what is known of the scene after a packet; None if that is nothing."""
        before = None if previous is None else previous.memory
        stays = packet.still and not packet.cut
        if Layer.APPEARANCE_TOKENS not in packet.layers:
            if Layer.APPEARANCE_DETAIL not in packet.layers:
                return before if stays else None
            before = before if stays else None
        if self._scenes is None:
            raise PacketError(f"packet {packet.sequence} has tokens, but none that can be read")
        return self._scenes.read(packet.layers, before, packet.sequence)

    def _caption(self, packet: Packet, previous: Segment | None) -> str | None:
        payload = packet.layers.get(Layer.CAPTION)
        if payload:
            return self._text.decode(payload)
        if payload is not None and (previous is None or previous.caption is None):
            raise PacketError(f"packet {packet.sequence} repeats a caption that is not known")
        return previous.caption if payload is not None and previous is not None else None
