"""What a live view does with the segments that have come: show, await, or leave out. Pure.

    decided   | 7: shown | 8: being rendered | 9: waits | 10: waits |   newest
                           awaited             late       asked

A segment that still waits for the renderer when two newer ones of the usual length have come is left out:
with it the view would be three behind, and would stay so. One that is being rendered is awaited within
reason, or a slow renderer would never show anything; but not once a newer one is there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Literal

USUAL_MS = 2_000  # a moving segment (edge/segmenter.py)
BEHIND_MS = 5_500  # three of them, which vary by a sample: so far behind, a view leaves something out
PATIENCE_MS = 2_500  # a segment is rendered better once the next one's keyframe is there
LONGEST_RENDER_MS = 60_000  # more, and what was rendered is not live any more
TAIL_MS = 4_000  # of a still segment this much is shown: all of it looks the same, and it came as one
QUIET_MS = 4_000  # without a new segment: then the camera sees nothing move, or would have told
STILL_LIMIT_MS = 66_000  # a still segment comes within a minute, or something is wrong

State = Literal["unasked", "queued", "running", "made", "failed"]


class Verdict(Enum):
    """What becomes of a segment, now."""

    SHOW = auto()
    WAIT = auto()
    ASK = auto()  # and wait
    LATE = auto()
    FAIL = auto()


@dataclass(frozen=True, slots=True)
class Clip:
    """Where a clip is; `tag` is its fingerprint, `size` its bytes."""

    tag: str
    video_key: str
    size: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A segment of a live view that is not decided yet; it has a clip if it is made."""

    packet_id: int
    boot_id: int
    sequence: int
    start_ms: int
    duration_ms: int
    still: bool
    stored_ms: int
    state: State
    clip: Clip | None

    @property
    def end_ms(self) -> int:
        return self.start_ms + self.duration_ms


def judge(candidates: Sequence[Candidate], now_ms: int) -> list[Verdict]:
    """Judge segments that follow one another. Who shows them stops at the first that is awaited."""
    verdicts: list[Verdict] = []
    newer_made = False
    for one in reversed(candidates):
        newest = None if one is candidates[-1] else candidates[-1]
        verdicts.append(_judge(one, newest, now_ms, newer_made=newer_made))
        newer_made = newer_made or one.state == "made"
    return verdicts[::-1]


def _judge(one: Candidate, newest: Candidate | None, now_ms: int, *, newer_made: bool) -> Verdict:
    if one.state == "made":
        return Verdict.SHOW
    if one.state == "failed":
        return Verdict.FAIL
    behind = newest is not None and (
        newest.boot_id != one.boot_id
        or newest.end_ms - one.end_ms + min(one.duration_ms, USUAL_MS) >= BEHIND_MS
    )
    if one.state == "running":
        late = (behind and newer_made) or now_ms - one.stored_ms >= LONGEST_RENDER_MS
        return Verdict.LATE if late else Verdict.WAIT
    if behind:
        return Verdict.LATE
    if one.state == "unasked" and (newest is not None or now_ms - one.stored_ms >= PATIENCE_MS):
        return Verdict.ASK
    return Verdict.WAIT


def pieces_shown(ticks: Sequence[int], timescale: int, shot: Candidate, shown_until_ms: int) -> int:
    """Tell from which piece on a clip is shown: all of it, or of a still one what is not long ago.

    `shown_until_ms` is where the stream ends: a picture that was held stands for the beginning of it.
    """
    if not shot.still:
        return 0
    begin_ms = max(shot.end_ms - TAIL_MS, shown_until_ms if shown_until_ms < shot.end_ms else 0)
    left = 0
    for place in range(len(ticks) - 1, -1, -1):
        left += ticks[place]
        if shot.end_ms - left * 1000 / timescale <= begin_ms:
            return place
    return 0


def holds(shown_ms: int, listed_ms: int, now_ms: int) -> bool:
    """Tell whether the last picture is to be shown for another piece, since nothing new has come.

    A clip was last added at `shown_ms`, anything at `listed_ms`.
    """
    quiet_ms = now_ms - shown_ms
    return QUIET_MS <= quiet_ms < STILL_LIMIT_MS and now_ms - listed_ms >= USUAL_MS
