"""What a run did: what the device says of itself, and what is in the store in the end. Plain data.

device's log   captured (on disk before it is appended) --> appended --> offered
               acknowledged, compared with the store at that very moment
the store      packets and gap records as they are in the end
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

Range = tuple[int, int]  # of sequences, both included


@dataclass(frozen=True, slots=True)
class Captured:
    """A segment as it left the camera; digests of its packet with and without its detail layer."""

    sequence: int
    camera: str
    captured_ms: int
    whole: str
    coarse: str


@dataclass(frozen=True, slots=True)
class Boot:
    """One life of the device, from its own log.

    `written` and `given_up` are what `append` returned for; on the rest of `captured` it was killed. Of
    `early` it was told that it is stored when it was not; `in_damaged_file` waited in the spool when its
    file came to harm.
    """

    boot: str
    captured: tuple[Captured, ...]
    written: frozenset[int] = frozenset()
    given_up: frozenset[int] = frozenset()
    offered: Mapping[int, int] = field(default_factory=dict)  # sequence to how often
    early: tuple[Range, ...] = ()
    killed: bool = False
    in_damaged_file: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Stored:
    """A packet in the store; `start_ms` is where the store places it in time, None if nowhere."""

    boot: str
    sequence: int
    camera: str
    captured_ms: int
    digest: str
    start_ms: int | None


@dataclass(frozen=True, slots=True)
class StoredGap:
    """A gap record in the store."""

    boot: str
    first: int
    last: int
    reason: int


@dataclass(frozen=True, slots=True)
class Claim:
    """What the store says of a boot in one line: all up to `highest` is here, but for `holes`."""

    boot: str
    highest: int
    holes: tuple[Range, ...] = ()


@dataclass(frozen=True, slots=True)
class History:
    """A whole run. `undelivered` is what still waits after the last drain; `deaths` are of our processes."""

    boots: tuple[Boot, ...]
    packets: tuple[Stored, ...] = ()
    gaps: tuple[StoredGap, ...] = ()
    claims: tuple[Claim, ...] = ()
    birthless: tuple[str, ...] = ()  # boots in the store of which nobody knows when and what they were
    undelivered: int = 0
    deaths: tuple[str, ...] = ()
