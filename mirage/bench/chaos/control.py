"""A few numbers that two processes share through a small file, so that faults reach a process from outside.

0   wall clock's offset, ms       set from outside, read at every look at the clock
1   disk is full                  set from outside, read at every append
2…  outcomes of messages          counted inside, read at the end; a kill loses none
"""

import mmap
import struct
import time
from collections.abc import Mapping
from pathlib import Path

OUTCOMES = (
    "stored", "duplicate", "pending", "limited", "quarantined", "birth", "state", "telemetry", "reply",
    "ignored", "other",
)  # fmt: skip
_WORDS = 2 + len(OUTCOMES)
_WORD = struct.Struct("<q")


class Control:
    """One such file; made where it is not there."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(_WORDS * _WORD.size))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _WORDS * _WORD.size)

    @property
    def wall_offset_ms(self) -> int:
        """How far the process's wall clock is ahead of the machine's."""
        return self._get(0)

    @wall_offset_ms.setter
    def wall_offset_ms(self, offset_ms: int) -> None:
        self._set(0, offset_ms)

    @property
    def disk_full(self) -> bool:
        """Whether the spool's file may not grow."""
        return self._get(1) != 0

    @disk_full.setter
    def disk_full(self, full: bool) -> None:
        self._set(1, int(full))

    def count(self, outcome: str) -> None:
        """Count a message; for one thread of one process."""
        word = 2 + OUTCOMES.index(outcome if outcome in OUTCOMES else "other")
        self._set(word, self._get(word) + 1)

    def counts(self) -> Mapping[str, int]:
        """Give what was counted by all processes so far."""
        return {outcome: self._get(2 + number) for number, outcome in enumerate(OUTCOMES)}

    def shift_wall_clock(self) -> None:
        """Let this process's wall clock run by the offset; before anyone imports its functions by name."""
        seconds, nanoseconds = time.time, time.time_ns
        time.time = lambda: seconds() + self.wall_offset_ms / 1000
        time.time_ns = lambda: nanoseconds() + self.wall_offset_ms * 1_000_000

    def close(self) -> None:
        self._memory.close()

    def _get(self, word: int) -> int:
        (value,) = _WORD.unpack_from(self._memory, word * _WORD.size)
        return int(value)

    def _set(self, word: int, value: int) -> None:
        _WORD.pack_into(self._memory, word * _WORD.size, value)
