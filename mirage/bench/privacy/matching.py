"""How often the right person is the nearest one, and what guessing would give."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

_Z = 1.96  # of a 95 % interval

Vector = NDArray[np.float32]  # (D,), of unit length


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """One vector: whose it is, among whom they are looked for, and which ones are alike."""

    vector: Vector
    person: str
    scene: str
    group: str


class Rate(msgspec.Struct, frozen=True):
    """A share of right answers with its 95 % interval (Wilson, 1927).

    `chance` is what guessing gives. Frames of one person in one clip are alike and count as one answer, right
    by the share of them that are: `groups` answers, of `count` frames.
    """

    rate: float
    low: float
    high: float
    chance: float
    groups: int
    count: int


def wilson(rate: float, count: int) -> tuple[float, float]:
    """Give the 95 % interval of a share among `count` answers."""
    if count == 0:
        return 0.0, 1.0
    squared = _Z * _Z / count
    middle = (rate + squared / 2) / (1 + squared)
    half = _Z * math.sqrt(rate * (1 - rate) / count + squared / count / 4) / (1 + squared)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def answers(enrolled: Sequence[Seen], attacked: Sequence[Seen]) -> list[float]:
    """Name each attacked vector by the nearest mean of enrolled ones of its scene: 1 where that is right.

    Raises ValueError where somebody is attacked who was not enrolled.
    """
    means, found = _means(enrolled), list[float]()
    for each in attacked:
        names = [person for scene, person in means if scene == each.scene]
        if each.person not in names:
            raise ValueError(f"{each.person} was not enrolled")
        nearest = max(names, key=lambda name: float(means[each.scene, name] @ each.vector))
        found.append(float(nearest == each.person))
    return found


def top_1(enrolled: Sequence[Seen], attacked: Sequence[Seen]) -> Rate:
    """Give how many of `answers` are right. Raises what they raise."""
    grouped = dict[str, list[float]]()
    for each, right in zip(attacked, answers(enrolled, attacked), strict=True):
        grouped.setdefault(each.group, []).append(right)
    rate = float(np.mean([np.mean(each) for each in grouped.values()])) if grouped else 0.0
    low, high = wilson(rate, len(grouped))
    scenes = Counter(scene for scene, _ in _means(enrolled))
    chance = float(np.mean([1 / scenes[each.scene] for each in attacked])) if attacked else 0.0
    return Rate(rate, low, high, chance, len(grouped), len(attacked))


def _means(enrolled: Sequence[Seen]) -> dict[tuple[str, str], Vector]:
    found = dict[tuple[str, str], list[Vector]]()
    for each in enrolled:
        found.setdefault((each.scene, each.person), []).append(each.vector)
    means = {key: np.mean(vectors, axis=0) for key, vectors in found.items()}
    return {key: np.asarray(mean / max(np.linalg.norm(mean), 1e-9)) for key, mean in means.items()}
