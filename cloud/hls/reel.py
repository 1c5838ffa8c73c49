"""Puts films one after another into one stream: numbers, times, discontinuities. Pure.

    film     | 0 1 2 |  | 0 |    (left out)    | 0 1 |
    number     4 5 6      7                      8 9
    era        1 1 1      1                      2 2     one more wherever the stream is not continuous
    ticks      continuous throughout, also where the era changes: what was left out leaves no hole

The ticks go on across an era, because not all players start their clock anew at a discontinuity.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

_ADJACENT_MS = 2  # rounding of start and duration; more is a gap


@dataclass(frozen=True, slots=True)
class Shot:
    """Pieces of a clip that are to be shown: `ticks` of each, `first` is the index of the first of them.

    `start_ms` and `end_ms` are the wall time that they show; `tag` is the clip's fingerprint.
    """

    packet_id: int
    tag: str
    init_id: str
    timescale: int
    first: int
    ticks: Sequence[int]
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Fragment:
    """One entry of a playlist. `number` is its media sequence number; it begins at `base_ticks`."""

    number: int
    packet_id: int
    tag: str
    piece: int
    init_id: str
    timescale: int
    base_ticks: int
    ticks: int
    start_ms: int
    era: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where a stream ends: what the next fragment is numbered and when it begins."""

    number: int = 0
    era: int = 0
    init_id: str = ""
    timescale: int = 1
    ticks: int = 0
    end_ms: int = 0


def append(place: Place, shot: Shot) -> tuple[Place, list[Fragment]]:
    """Add a shot; give the new end of the stream, and what was added."""
    follows = shot.init_id == place.init_id and abs(shot.start_ms - place.end_ms) <= _ADJACENT_MS
    era = place.era if follows or place.number == 0 else place.era + 1
    begin = -(-place.ticks * shot.timescale // place.timescale)  # rounded up, so nothing overlaps
    number, passed, fragments = place.number, 0, []
    for index, ticks in enumerate(shot.ticks):
        passed_ms = round(Fraction(passed * 1000, shot.timescale))
        fragments.append(
            Fragment(
                number=number + index,
                packet_id=shot.packet_id,
                tag=shot.tag,
                piece=shot.first + index,
                init_id=shot.init_id,
                timescale=shot.timescale,
                base_ticks=begin + passed,
                ticks=ticks,
                start_ms=shot.start_ms + passed_ms,
                era=era,
            )
        )
        passed += ticks
    end = Place(number + len(shot.ticks), era, shot.init_id, shot.timescale, begin + passed, shot.end_ms)
    return (end if fragments else replace(place, end_ms=shot.end_ms)), fragments
