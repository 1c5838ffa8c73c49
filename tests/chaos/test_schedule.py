"""Schedules: the same seed is the same storm, and every kind of fault has its turn."""

from itertools import pairwise

import pytest

from mirage.bench.chaos.schedule import FIRST_S, Kind, Side, plan


def test_the_same_seed_gives_the_same_faults() -> None:
    assert plan(7, 300, corruption=True) == plan(7, 300, corruption=True)
    assert plan(7, 300, corruption=True) != plan(8, 300, corruption=True)


def test_a_longer_run_begins_as_a_shorter_one() -> None:
    short = plan(7, 60, corruption=True)
    assert plan(7, 600, corruption=True)[: len(short)] == short


@pytest.mark.parametrize("seed", range(20))
def test_faults_come_in_order_within_the_run(seed: int) -> None:
    times = [fault.at_s for fault in plan(seed, 90, corruption=True)]
    assert times[0] == FIRST_S
    assert all(before < after for before, after in pairwise(times))
    assert times[-1] < 90
    assert len(times) > 15


def test_every_kind_has_its_turn_on_every_side_where_there_is_one() -> None:
    names = {fault.name for fault in plan(0, 300, corruption=True)}
    assert {fault.kind for fault in plan(0, 300, corruption=True)} == set(Kind)
    for side in Side:
        assert f"kill-{side.value}" in names
    for kind in (
        Kind.HALF_OPEN,
        Kind.RESET,
        Kind.FINISH,
        Kind.DELAY,
        Kind.TRICKLE,
        Kind.STALL,
        Kind.CORRUPT,
        Kind.REORDER,
    ):
        assert {f"{kind.value}-device", f"{kind.value}-cloud"} <= names


def test_no_byte_is_changed_where_nobody_could_tell() -> None:
    assert Kind.CORRUPT not in {fault.kind for fault in plan(0, 600, corruption=False)}


def test_storms_are_followed_by_calm() -> None:
    times = [fault.at_s for fault in plan(1, 600, corruption=True)]
    pauses = [after - before for before, after in pairwise(times)]
    assert sum(pause > 5 for pause in pauses) > 15
    assert sum(pause < 3 for pause in pauses) > 100
