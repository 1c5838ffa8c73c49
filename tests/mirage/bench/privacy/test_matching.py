"""Who is named rightly: certainty, guessing, and how sure one can be."""

import numpy as np
import pytest
from numpy.typing import NDArray

from mirage.bench.privacy.matching import Seen, top_1, wilson

PEOPLE = [f"person-{number}" for number in range(8)]


def unit(vector: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def crowd(likeness: float, seed: int, scene: str = "room") -> tuple[list[Seen], list[Seen]]:
    """Give photographs and frames whose vectors are as alike as that within a person."""
    chance = np.random.default_rng(seed)
    faces = {person: chance.normal(size=64) for person in PEOPLE}

    def seen(person: str, group: int) -> Seen:
        vector = likeness * faces[person] + (1 - likeness) * chance.normal(size=64)
        return Seen(unit(vector), person, scene, f"{person}, {group}")

    enrolled = [seen(person, 0) for person in PEOPLE for _ in range(2)]
    return enrolled, [seen(person, group) for person in PEOPLE for group in range(1, 6)]


def test_people_who_look_like_their_photographs_are_named() -> None:
    named = top_1(*crowd(0.8, seed=0))
    assert named.rate == 1
    assert named.chance == pytest.approx(1 / 8)
    assert named.low > named.chance
    assert (named.groups, named.count) == (40, 40)


def test_people_who_look_like_nobody_are_named_by_chance() -> None:
    named = top_1(*crowd(0.0, seed=1))
    assert named.low <= named.chance <= named.high


def test_only_those_before_the_same_background_are_candidates() -> None:
    here, there = (
        Seen(unit(np.array([1.0, 0.1])), "a", "here", "a, 1"),
        Seen(unit(np.array([0.9, 0.2])), "b", "there", "b, 1"),
    )
    attacked = Seen(unit(np.array([1.0, 0.1])), "b", "there", "b, 2")  # nearest to a, who is elsewhere
    named = top_1([here, there], [attacked])
    assert (named.rate, named.chance) == (1, 1)


def test_frames_of_one_clip_count_once() -> None:
    enrolled, attacked = crowd(0.8, seed=2)
    repeated = attacked + [attacked[0]] * 100
    assert top_1(enrolled, repeated).groups == 40
    assert top_1(enrolled, repeated).low == pytest.approx(top_1(enrolled, attacked).low)


def test_one_who_has_no_photograph_is_an_error() -> None:
    enrolled, attacked = crowd(0.8, seed=3)
    with pytest.raises(ValueError, match="person-0 was not enrolled"):
        top_1([each for each in enrolled if each.person != "person-0"], attacked)


def test_the_interval_is_wilsons() -> None:
    assert wilson(0.8, 10) == pytest.approx((0.490, 0.943), abs=0.001)  # as in textbooks
    assert wilson(1.0, 5)[0] == pytest.approx(0.566, abs=0.001)
    assert wilson(0.0, 0) == (0.0, 1.0)
