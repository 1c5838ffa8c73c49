"""In which order jobs are taken, and how long one waits after it failed. Pure.

    lane       who waits                                    taken
    LIVE       someone who watches a camera, or clicked     first
    EVENT      an alert that found its caption              then
    FRESH      nobody: it is made anyway, as it happens     then
    BACKFILL   nobody: the past                             with what is left

Within a lane, the first asked is the first taken. That alone would starve the lower lanes under a load that
never ends, so jobs age: one that has waited `AGED_MS` counts as aged, and every `FAIR_EVERY`-th job that a
worker takes is the one that was asked first among the aged, whatever its lane. So the lower lanes have at
least that share of every worker, and the upper ones all but that, however much waits below them.
"""

from enum import IntEnum

AGED_MS = 60_000
FAIR_EVERY = 4

MAX_ATTEMPTS = 5  # with the pauses below, what does not answer for some minutes fails no job
_FIRST_PAUSE_MS = 5_000
_LONGEST_PAUSE_MS = 300_000


class Lane(IntEnum):
    """How urgent a job is; the lower number goes first."""

    LIVE = 0
    EVENT = 1
    FRESH = 2
    BACKFILL = 3


Rank = tuple[int, int, int, int]


def rank(lane: Lane, asked_ms: int, packet_id: int, now_ms: int, *, fair: bool) -> Rank:
    """Say where a job that is due stands: the lowest is taken. `cloud.candidates` says the same in SQL."""
    if fair and is_aged(asked_ms, now_ms):
        return (0, 0, asked_ms, packet_id)
    return (1, lane, asked_ms, packet_id)


def is_aged(asked_ms: int, now_ms: int) -> bool:
    """Tell whether a job has waited so long that its lane counts no more in a fair take."""
    return now_ms - asked_ms >= AGED_MS


def is_fair(count: int) -> bool:
    """Tell whether the job that a worker takes after `count` others is one of the fair ones."""
    return count % FAIR_EVERY == FAIR_EVERY - 1


def pause_ms(attempts: int) -> int:
    """Give how long a job waits after it failed for the `attempts`-th time: 5 s, 20 s, 80 s, then 5 min."""
    return min(_FIRST_PAUSE_MS << 2 * (attempts - 1), _LONGEST_PAUSE_MS)
