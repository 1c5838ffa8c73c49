"""A segment as both sides understand it, and the layers that carry it.

What did not change since the previous segment is not sent again:

    caption layer absent             nothing is said
    caption layer empty              as before
    appearance absent, and still     as before: the scene is the previous one
    appearance absent, not still     nothing is shown; what to draw is the renderer's choice

The coarse appearance payload begins with a byte: the keyframe's place in 128ths of the duration, and bit 7
set if the tokens are coded as changes of the previous ones. Then a check byte of those follows, so that a
receiver that has lost a packet notices.

"Previous" is always what the receiver holds, that is what `resolve` gave for the packet before; a
refresh has none.
"""

import zlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wire import motion as motions
from wire.motion import Motion
from wire.packet import Layer, Packet, PacketError
from wire.text import TextModel
from wire.tokens import TokenModel

_CHANGES = 128


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """A few seconds of one camera; `keyframe_ms` counts from `start_ms`, tokens are uint8 (D, h, w)."""

    start_ms: int
    duration_ms: int
    caption: str | None
    motion: Motion | None
    tokens: NDArray[np.uint8] | None
    keyframe_ms: int
    still: bool
    cut: bool
    sequence: int = 0


class Codec:
    """Turns segments into layers and back, under one bundle's tables."""

    def __init__(self, text: TextModel, tokens: TokenModel | None) -> None:
        self._text = text
        self._tokens = tokens

    def layers(self, segment: Segment, previous: Segment | None, planes: int | None) -> dict[int, bytes]:
        """Write a segment's layers; raises PacketError for what cannot be sent.

        `planes` of the tokens are sent: all if None, none if 0, else at least the coarse ones.
        """
        layers: dict[int, bytes] = {}
        if segment.caption is not None:
            same = previous is not None and previous.caption == segment.caption
            layers[Layer.CAPTION] = b"" if same else self._text.encode(segment.caption)
        if segment.motion is not None:
            layers[Layer.MOTION] = motions.encode(segment.motion)
        if segment.tokens is not None and planes != 0 and not _same_scene(segment, previous):
            layers |= self._appearance(segment, segment.tokens, previous, planes)
        return layers

    def resolve(self, packet: Packet, previous: Segment | None) -> Segment:
        """Read a packet that follows `previous`, or raise PacketError."""
        layers = packet.layers
        if Layer.GAP in layers:
            raise PacketError(f"packet {packet.sequence} is a gap record, not a segment")
        if packet.refresh:
            previous = None
        segment = Segment(
            start_ms=packet.captured_ms,
            duration_ms=packet.duration_ms,
            caption=self._caption(packet, previous),
            motion=motions.decode(layers[Layer.MOTION]) if Layer.MOTION in layers else None,
            tokens=None,
            keyframe_ms=0,
            still=packet.still,
            cut=packet.cut,
            sequence=packet.sequence,
        )
        if Layer.APPEARANCE_TOKENS in layers:
            return self._with_tokens(segment, packet, previous)
        if Layer.APPEARANCE_DETAIL in layers:
            raise PacketError(f"packet {packet.sequence} has a fine part of tokens without the coarse one")
        if segment.still and not segment.cut and previous is not None:
            return replace(segment, tokens=previous.tokens)
        return segment

    def _appearance(
        self,
        segment: Segment,
        tokens: NDArray[np.uint8],
        previous: Segment | None,
        planes: int | None,
    ) -> dict[int, bytes]:
        if self._tokens is None:
            raise PacketError("segment has tokens, but the bundle has no tables for them")
        planes = len(tokens) if planes is None else planes
        share = round(segment.keyframe_ms * 128 / max(segment.duration_ms, 1))
        place = min(max(share, 0), 127)
        coarse = bytes((place,)) + self._tokens.encode_coarse(tokens)
        detail = self._tokens.encode_detail(tokens, planes)
        reference = None if segment.cut or previous is None else previous.tokens
        if reference is not None and self._tokens.codes_changes and len(reference) >= planes:
            head = bytes((place | _CHANGES, self._check(reference)))
            changed = head + self._tokens.encode_coarse(tokens, reference)
            changed_detail = self._tokens.encode_detail(tokens, planes, reference)
            if len(changed) + len(changed_detail) < len(coarse) + len(detail):
                coarse, detail = changed, changed_detail
        layers: dict[int, bytes] = {Layer.APPEARANCE_TOKENS: coarse}
        if planes > self._tokens.coarse_planes:
            layers[Layer.APPEARANCE_DETAIL] = detail
        return layers

    def _caption(self, packet: Packet, previous: Segment | None) -> str | None:
        payload = packet.layers.get(Layer.CAPTION)
        if payload:
            return self._text.decode(payload)
        if payload is not None and (previous is None or previous.caption is None):
            raise PacketError(f"packet {packet.sequence} repeats a caption that is not known")
        return previous.caption if payload is not None and previous is not None else None

    def _with_tokens(self, segment: Segment, packet: Packet, previous: Segment | None) -> Segment:
        coarse, reference, start = packet.layers[Layer.APPEARANCE_TOKENS], None, 1
        if self._tokens is None or not coarse:
            raise PacketError(f"packet {packet.sequence} has tokens, but none that can be read")
        if coarse[0] & _CHANGES:
            reference, start = None if previous is None else previous.tokens, 2
            if reference is None or coarse[1:2] != bytes((self._check(reference),)):
                raise PacketError(f"packet {packet.sequence} changes tokens that are not here")
        detail = packet.layers.get(Layer.APPEARANCE_DETAIL)
        return replace(
            segment,
            tokens=self._tokens.decode(coarse[start:], detail, reference),
            keyframe_ms=round(segment.duration_ms * (coarse[0] & 127) / 128),
        )

    def _check(self, reference: NDArray[np.uint8]) -> int:
        """Tell one reference from another: by its coarse planes, which no one leaves out on the way."""
        coarse = 0 if self._tokens is None else self._tokens.coarse_planes
        return zlib.crc32(reference[:coarse].tobytes()) & 255


def _same_scene(segment: Segment, previous: Segment | None) -> bool:
    """Tell whether a still segment shows what the one before it ended with."""
    return (
        segment.still
        and not segment.cut
        and previous is not None
        and previous.still
        and previous.tokens is not None
    )
