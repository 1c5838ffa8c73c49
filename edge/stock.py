"""What a spool holds, as others see it."""

from dataclasses import dataclass, replace

_ROW_BYTES = 96  # what SQLite keeps beside the body: row, index, page slack


@dataclass(frozen=True, slots=True)
class Spooled:
    """A packet that waits, or a gap record. `position` orders those of all boots by age."""

    position: int
    boot_id: bytes
    sequence: int
    camera: str
    body: bytes
    waited_s: float  # since it was appended, as far as the process ran


@dataclass(frozen=True, slots=True)
class Backlog:
    """How much waits; and what was given up since the process started, all of it listed in gap records."""

    packets: int = 0
    body_bytes: int = 0
    gaps: int = 0  # records that wait
    dropped: int = 0  # packets, whole
    shed_details: int = 0  # packets that lost their detail layer
    shed_bytes: int = 0  # of both
    disk_full: bool = False  # now: packets may be given up although the spool is not large
    set_aside: int = 0  # damaged files

    @property
    def waiting(self) -> int:
        """Count what is not acknowledged."""
        return self.packets + self.gaps

    @property
    def used_bytes(self) -> int:
        """Estimate what all of it takes on the disk."""
        return self.body_bytes + _ROW_BYTES * self.waiting


@dataclass(frozen=True, slots=True)
class Lost:
    """A range of a boot that is given up; `camera` and `captured_ms` are those of its first packet."""

    boot_id: bytes
    low: int
    high: int
    reason: int
    camera: str
    captured_ms: int


def joined(ranges: list[Lost]) -> list[Lost]:
    """Join the last range to the one before where it goes on."""
    if len(ranges) < 2:
        return ranges
    *rest, before, last = ranges
    if (before.boot_id, before.reason, before.high + 1) != (last.boot_id, last.reason, last.low):
        return ranges
    return [*rest, replace(before, high=last.high)]


def size_of(body: bytes) -> int:
    """Estimate what a packet takes on the disk."""
    return len(body) + _ROW_BYTES
