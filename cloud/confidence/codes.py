"""How alike two codes of a picture are, 0 to 1. Pure.

    tokens   a token of the same level counts 1, one that is a fifth of the levels away or more 0, linear in
             between; plane k counts 1 / (k + 1), for the first planes carry most of a picture
    vector   the cosine, 0 where it is negative

Tokens that were not sent are left out.
"""

import numpy as np
from numpy.typing import NDArray

from wire.neighbours import UNKNOWN
from wire.vector import Vector, VectorModel

TOKENS = "tokens-1"  # names of the measures: another formula is another name
VECTOR = "vector-1"
_SPAN = 5  # of the levels, a share of so much is no likeness at all

Tokens = NDArray[np.uint8]


def tokens_alike(one: Tokens, other: Tokens, levels: int) -> float | None:
    """Compare tokens (D, h, w) with (P, h, w); None where nothing is known of both."""
    one, other = _same_planes(one, other)
    known = (one != UNKNOWN) & (other != UNKNOWN)
    weights = known / np.arange(1, len(one) + 1, dtype=np.float64)[:, None, None]
    if not known.any():
        return None
    apart = np.abs(one.astype(np.int64) - other.astype(np.int64))
    closeness = np.clip(1 - apart / max(levels / _SPAN, 1), 0, 1)
    return float((weights * closeness).sum() / weights.sum())


def equal_shares(one: Tokens, other: Tokens) -> list[float | None]:
    """Give the share of equal tokens plane by plane, to three digits; None where nothing is known."""
    one, other = _same_planes(one, other)
    known = (one != UNKNOWN) & (other != UNKNOWN)
    return [
        round(float(equal[mask].mean()), 3) if mask.any() else None
        for equal, mask in zip(one == other, known, strict=True)
    ]


def vectors_alike(one: Vector, other: Vector, model: VectorModel) -> float:
    """Compare two embeddings (D,)."""
    return max(model.likeness(one, other), 0.0)


def _same_planes(one: Tokens, other: Tokens) -> tuple[Tokens, Tokens]:
    planes = min(len(one), len(other))
    return one[:planes], other[:planes]
