"""A segment of a moving camera, what follows it, and how it travels."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tests.wire.sample import CAPTIONS, smooth_tokens
from wire.motion import CameraMotion, Motion
from wire.neighbours import UNKNOWN
from wire.packet import Packet
from wire.segment import Codec, Segment

TOKENS = smooth_tokens(3, seed=3)
LATER = TOKENS[0].copy()
LATER[:, 5:, 5:] = (LATER[:, 5:, 5:] + 4) % 8
PAN = Motion(CameraMotion(0.25, 0.0))
FIRST = Segment(
    start_ms=1000,
    duration_ms=2000,
    caption=CAPTIONS[0],
    motion=PAN,
    tokens=TOKENS[0],
    keyframe_ms=500,
    still=False,
    cut=True,
    sequence=7,
)

NEXT = replace(FIRST, start_ms=3000, caption=CAPTIONS[1], cut=False, tokens=LATER, sequence=8)


def same(seen: NDArray[np.uint8] | None, sent: NDArray[np.uint8] | None, planes: int | None = 6) -> bool:
    """Tell whether these tokens were received, as far as `planes` of them."""
    assert sent is not None
    known = np.where(np.arange(6)[:, None, None] < (planes or 6), sent, UNKNOWN)
    return seen is not None and np.array_equal(seen, known)


def carry(codec: Codec, segment: Segment, previous: Segment | None, planes: int | None = None) -> Packet:
    """Send a segment through bytes."""
    packet = Packet(
        segment.sequence,
        segment.start_ms,
        segment.duration_ms,
        codec.layers(segment, previous, planes),
        still=segment.still,
        cut=segment.cut,
        refresh=previous is None,
    )
    return Packet.parse(bytes(packet))
