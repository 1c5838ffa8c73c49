"""Parsers with known faults, for what looks for faults. Other processes import them from here."""

import os
from pathlib import Path
from time import thread_time

from mirage.bench.fuzz.targets import Target


def careless(data: bytes) -> None:
    """Refuse what begins with no A, and stumble over a zero byte behind it."""
    if data[:1] != b"A":
        raise ValueError("begins with no A")
    if 0 in data:
        raise KeyError(data.index(0))


def deadly(data: bytes) -> None:
    """Die of a zero byte, with the whole process."""
    if 0 in data:
        os._exit(7)


def endless(_data: bytes) -> None:
    """Go on for ever."""
    while True:
        pass


def slow(_data: bytes) -> None:
    """Take 20 ms of processor time."""
    end_s = thread_time() + 0.02
    while thread_time() < end_s:
        pass


def greedy(_data: bytes) -> None:
    """Take 10 MB of memory, and give them back."""
    bytes(10_000_000)


def planted(_folder: Path) -> dict[str, Target]:
    """Make a target that is careless, and one that is deadly."""
    return {
        "careless": Target("careless", careless, (ValueError,), (b"A\1\2\3",), 1),
        "deadly": Target("deadly", deadly, (ValueError,), (b"A\1\2\3",), 1),
    }
