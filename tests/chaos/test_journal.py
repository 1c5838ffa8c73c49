"""The device's log: what a killed process leaves is read up to its last whole line."""

from pathlib import Path

import pytest

from mirage.bench.chaos.history import Captured
from mirage.bench.chaos.journal import (
    Acknowledge,
    Append,
    Began,
    Capture,
    End,
    Event,
    Journal,
    Offer,
    read_boots,
    read_journal,
)

A, B = "0a" * 8, "0b" * 8


def capture(sequence: int) -> Capture:
    return Capture(sequence, "door", sequence * 10, "whole", "coarse")


FIRST: tuple[Event, ...] = (
    Began(A),
    capture(0),
    Append(0, written=True),
    Offer(A, 0),
    capture(1),
    Append(1, written=False),
    capture(2),
)
SECOND: tuple[Event, ...] = (
    Began(B),
    Offer(A, 0),
    Acknowledge(A, 0, ()),
    Acknowledge(A, 5, ((4, 5),)),
    capture(0),
    Append(0, written=True),
    End(0),
)


def write(path: Path, events: tuple[Event, ...]) -> Path:
    journal = Journal(path)
    for event in events:
        journal.note(event, durably=isinstance(event, Capture))
    journal.close()
    return path


def test_lives_become_boots_and_what_one_says_of_another_is_put_where_it_belongs(tmp_path: Path) -> None:
    paths = [write(tmp_path / "1", FIRST), write(tmp_path / "2", SECOND)]
    (first, second), waiting = read_boots(paths, frozenset({(A, 1), (B, 9)}))
    assert first.captured == tuple(Captured(each, "door", each * 10, "whole", "coarse") for each in range(3))
    assert (first.written, first.given_up, first.killed) == (frozenset({0}), frozenset({1}), True)
    assert first.offered == {0: 2}
    assert first.early == ((4, 5),)
    assert first.in_damaged_file == {1}
    assert second.written == {0}
    assert second.in_damaged_file == {9}
    assert not second.killed
    assert not second.early
    assert waiting == 0


def test_nobody_knows_what_waits_where_the_last_life_did_not_end(tmp_path: Path) -> None:
    assert read_boots([write(tmp_path / "1", FIRST)], frozenset())[1] == -1


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_torn_last_line_is_left_out(tmp_path: Path, cut: int) -> None:
    path = write(tmp_path / "1", FIRST)
    path.write_bytes(path.read_bytes()[:-cut])
    assert read_journal(path) == list(FIRST[:-1])


def test_a_process_that_was_killed_before_its_first_line_is_no_boot(tmp_path: Path) -> None:
    (tmp_path / "2").touch()
    paths = [write(tmp_path / "1", FIRST), tmp_path / "2", tmp_path / "never"]
    assert len(read_boots(paths, frozenset())[0]) == 1
