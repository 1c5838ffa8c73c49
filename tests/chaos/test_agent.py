"""The whole agent in a run: its log knows how many segments there are, and each has its place."""

from mirage.bench.chaos.agent import judge, logged_segments
from mirage.bench.chaos.checker import Violation
from mirage.bench.chaos.history import Stored, StoredGap

A, B = "0a" * 8, "0b" * 8


def stored(boot: str, *sequences: int) -> list[Stored]:
    return [Stored(boot, each, "clip", each * 100, "", None) for each in sequences]


def rules(packets: list[Stored], gaps: list[StoredGap], logged: int, kills: int) -> list[Violation]:
    return list(judge(packets, gaps, logged, kills))


def test_boots_without_holes_that_add_up_are_good() -> None:
    assert rules(stored(A, 0, 1) + stored(B, 0, 1, 4), [StoredGap(B, 2, 3, 1)], 7, 1) == []
    assert rules(stored(A, 0, 1) + stored(B, 0, 1, 4), [StoredGap(B, 2, 3, 1)], 6, 1) == [], (
        "one was not logged"
    )


def test_a_hole_and_a_number_that_is_there_twice_are_found() -> None:
    assert [each.what for each in rules(stored(A, 0, 2), [], 2, 0)] == [
        f"boot {A}: 0, 2 are not each there once"
    ]
    assert len(rules(stored(A, 0, 1), [StoredGap(A, 1, 1, 1)], 3, 0)) == 1


def test_a_sum_that_the_log_does_not_know_is_found() -> None:
    assert len(rules(stored(A, 0, 1), [], 3, 1)) == 1
    assert len(rules(stored(A, 0, 1, 2), [], 1, 1)) == 1


def test_segments_are_counted_from_the_log() -> None:
    log = "level='info' event='segment' camera='clip'\nlevel='info' event='segments'\nevent='segment'\n"
    assert logged_segments(log) == 2
