"""What an alert would have found, had it been there: for whoever writes one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import select

from cloud.access.roles import Role
from cloud.alerts.rules import Draft, parse_hours, scoped
from cloud.catalog import Catalog, SegmentView
from cloud.schema import SegmentRow
from cloud.search import Search, UnknownPlaceError, Wanted
from cloud.store import Store

MOST = 1000  # captions that are counted
EXAMPLES = 3
DAY_MS = 86_400_000
_AT_ONCE = 500  # ids in a query


@dataclass(frozen=True, slots=True)
class Trial:
    """How many segments match, and how many of them would have raised the alert; at least so many if `more`.

    `examples` are the newest that would have.
    """

    matched: int
    raised: int
    more: bool
    examples: Sequence[SegmentView]


class _Seen(NamedTuple):
    packet_id: int
    camera_id: int
    start_ms: int


def tried(
    store: Store, search: Search, draft: Draft, from_ms: int, to_ms: int, role: Role = Role.VIEWER,
    catalog: Catalog | None = None,
) -> Trial:  # fmt: skip
    """Try an alert on what was seen from `from_ms` on and before `to_ms`: the newest `MOST` that match."""
    try:
        wanted = Wanted(draft.query, scoped(draft.place), from_ms, to_ms, role=role)
        found = search.matches(wanted, MOST + 1)
    except UnknownPlaceError:  # nothing was seen there yet
        found = []
    hours = parse_hours(draft.hours, draft.zone)
    seen = [each for each in _seen(store, found[:MOST]) if hours is None or hours.hold(each.start_ms)]
    raised = _raised(seen, draft.cooldown_s * 1000)
    examples = (catalog or Catalog(store)).these(
        [each.packet_id for each in raised[: -EXAMPLES - 1 : -1]], role
    )
    return Trial(len(seen), len(raised), len(found) > MOST, examples)


def _seen(store: Store, packet_ids: Sequence[int]) -> list[_Seen]:
    """Give what was seen in the order of time."""
    columns = (SegmentRow.packet_id, SegmentRow.camera_id, SegmentRow.start_ms)
    found = list[_Seen]()
    with store.read() as session:
        for first in range(0, len(packet_ids), _AT_ONCE):
            query = select(*columns).where(SegmentRow.packet_id.in_(packet_ids[first : first + _AT_ONCE]))
            found += [_Seen(*row) for row in session.execute(query)]
    return sorted(found, key=lambda each: (each.start_ms, each.packet_id))


def _raised(seen: Sequence[_Seen], cooldown_ms: int) -> list[_Seen]:
    """Leave out what a camera sees too short a time after it raised the alert."""
    raised, last = list[_Seen](), dict[int, int]()
    for each in seen:
        before_ms = last.get(each.camera_id)
        if before_ms is None or each.start_ms - before_ms >= cooldown_ms:
            raised.append(each)
            last[each.camera_id] = each.start_ms
    return raised
