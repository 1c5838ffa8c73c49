"""Hours of the day, such as "22:00-06:00": from the first minute to the one before the last."""

import re
from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

_TIME = "([01][0-9]|2[0-3]):([0-5][0-9])"
_END = "([01][0-9]|2[0-4]):([0-5][0-9])"
_SPAN = re.compile(rf"{_TIME}-{_END}")
DAY = 24 * 60

Span = Annotated[str, Meta(max_length=16)]


def minutes(span: str) -> tuple[int, int]:
    """Give first minute of the day and end of a span, or raise ValueError."""
    found = _SPAN.fullmatch(span)
    if found is None:
        raise ValueError(f"hours {span!r} are not as in 22:00-06:00")
    first, end = (60 * int(found[at]) + int(found[at + 1]) for at in (1, 3))
    if first == end or end > DAY:
        raise ValueError(f"hours {span!r} are empty or end after 24:00; for the whole day leave hours out")
    return first, end


def are_open(spans: Sequence[str], minute: int) -> bool:
    """Tell whether a minute of the day (0 to 1439) lies in one of the spans; without spans, all do."""
    return not spans or any(_holds(*minutes(span), minute) for span in spans)


def _holds(first: int, end: int, minute: int) -> bool:
    return first <= minute < end if first < end else minute >= first or minute < end
