"""A small film, and notaries for it."""

from fractions import Fraction
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloud.provenance.signing import Signatory
from cloud.render.mp4 import Mp4Writer

OURS, THEIRS = (Signatory(Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32)) for n in (1, 2))
STATEMENT: dict[str, object] = {
    "notice": "AI-reconstructed from a description; not a recording",
    "camera": "acme/north/jetson-1/gate",
    "segment": 3,
    "bundle": "5b" * 32,
    "renderer": "preview tiny",
    "policy": {"long_side_px": 64, "anchors": []},
    "seed": 0,
    "packets": [1, 2, 3],
    "packets_bytes": 412,
    "constraints": {
        "long_side_px": {"value": 64, "by": "sender", "outcome": "limited", "why": "the sender allows 64"},
        "steps": {"value": None, "by": "default", "outcome": "default", "why": "nobody asked"},
    },
}
CONFIDENCE = {"score": 0.93, "measure": "tokens-1", "likeness": 0.95, "at_ms": 300}


def write_film(path: Path, statement: dict[str, object] = STATEMENT) -> Path:
    """Write a second of noise, 64 x 36."""
    with Mp4Writer(path, 64, 36, Fraction(10), "gate", statement) as writer:
        writer.write(np.random.default_rng(0).integers(0, 255, (10, 36, 64, 3), np.uint8))
    return path
