"""Packets that were never filmed, each unlike every other."""

import hashlib
import random

from wire.packet import Layer, Packet

SCENE = 6  # packets of a camera from one refresh to the next
SEGMENT_MS = 80
_DETAILED = 0.4  # share of packets


def make_packet(chance: random.Random, sequence: int, captured_ms: int, *, refresh: bool) -> bytes:
    """Make a packet that a cloud can read but for its pictures: no caption, random bytes for the rest."""
    layers: dict[int, bytes] = {
        Layer.MOTION: chance.randbytes(6),
        Layer.APPEARANCE_TOKENS: chance.randbytes(chance.randint(16, 60)),
    }
    if chance.random() < _DETAILED:
        layers[Layer.APPEARANCE_DETAIL] = chance.randbytes(chance.randint(40, 200))
    return bytes(Packet(sequence, captured_ms, SEGMENT_MS, layers, refresh=refresh))


def digest(body: bytes) -> str:
    """Name a packet by its content."""
    return hashlib.sha256(body).hexdigest()[:24]
