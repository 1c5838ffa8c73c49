"""The numbers of edge/worth.py for pictures, fitted to what was judged: least squares within moments.

likeness of a frame = what the moment allows + points by depth - points by difference
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.worth import DEPTHS, NOTHING, STALE, STALEST

_NAMES = (*(f"planes_{low}_to_{high}" for low, high, _ in DEPTHS), "stale", "nothing")
_USED = (*(points for *_, points in DEPTHS), -STALE, -NOTHING)


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One judged moment: which one, what the receiver had of it (None: nothing), and the likeness."""

    moment: tuple[str, int]
    depth: NDArray[np.float64] | None
    difference: NDArray[np.float64] | None
    likeness: float


def fitted(looks: Sequence[Look]) -> dict[str, object]:
    """Fit; a moment tells something only where it was seen in several ways."""
    moments = {moment: place for place, moment in enumerate(dict.fromkeys(look.moment for look in looks))}
    groups = np.array([moments[look.moment] for look in looks], np.int64)
    count = np.maximum(np.bincount(groups), 1)
    values = np.array([[*_features(look), look.likeness] for look in looks], np.float64)
    means = np.stack([np.bincount(groups, column) / count for column in values.T], axis=1)
    within = values - means[groups]
    weights, *_ = np.linalg.lstsq(within[:, :-1], within[:, -1], rcond=None)
    rest = within[:, -1] - within[:, :-1] @ weights
    total = float(np.square(within[:, -1]).sum())
    return {
        "looks": len(looks),
        "moments": len(moments),
        "explained_share": 1 - float(np.square(rest).sum()) / total if total else 0.0,
        "fitted_points": dict(zip(_NAMES, weights.tolist(), strict=True)),
        "used_points": dict(zip(_NAMES, _USED, strict=True)),
    }


def _features(look: Look) -> list[float]:
    if look.depth is None or look.difference is None:
        return [0.0] * len(DEPTHS) + [0.0, 1.0]
    depth = np.where(look.difference > 1, 0, look.depth)
    shares = [float(np.clip((depth - low) / (high - low), 0, 1).mean()) for low, high, _ in DEPTHS]
    return [*shares, float(np.minimum(look.difference, STALEST).mean()), 0.0]
