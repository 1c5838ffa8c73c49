"""Which segment to play next. Pure."""

from collections.abc import Sequence

from cloud.catalog import SegmentView

BEHIND = 3  # segments that a live view may be late before it jumps to the newest

FRESH_MS = 75_000  # a camera that sees nothing move says so every minute


def is_fresh(segments: Sequence[SegmentView], now_ms: int) -> bool:
    """Tell whether there is a live view to look at; `segments` are the newest of a camera."""
    newest = next((each for each in segments if each.fault is None and not each.historical), None)
    return newest is not None and now_ms - (newest.start_ms + newest.duration_ms) < FRESH_MS


def next_choice(
    segments: Sequence[SegmentView], chosen: int | None, *, live: bool, finished: bool
) -> int | None:
    """Choose among `segments`, the newest first; `finished` says that the chosen one has been shown.

    What is not understood is passed over; it is shown only to who clicks on it.
    """
    ids = [segment.id for segment in segments if segment.fault is None]
    if chosen is None:
        return ids[0] if live and ids else None
    if not finished or chosen not in ids:
        return ids[0] if live and finished and ids else chosen
    place = ids.index(chosen)
    if live and place > BEHIND:
        return ids[0]
    return ids[max(place - 1, 0)]


def is_waiting(segment: SegmentView) -> bool:
    """Tell whether a segment's clip is still to come."""
    return segment.fault is None and segment.render in ("none", "queued", "running")
