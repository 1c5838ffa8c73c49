"""What alerts found, page by page: the latest seen first."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from cloud.access.roles import Role
from cloud.catalog import Catalog, SegmentView
from cloud.schema import AlertHitRow, SegmentRow
from cloud.search import CursorError
from cloud.store import Store

MAX_HITS = 100  # in one page

_CURSOR = re.compile(r"(-?[0-9]{1,18})\.([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class AlertHit:
    """A segment that an alert found; `caption` is what it said then. Times are in ms of the Unix epoch.

    `historical` ones were found long after they were seen.
    """

    id: int
    alert: int
    caption: str
    historical: bool
    raised_ms: int
    segment: SegmentView


@dataclass(frozen=True, slots=True)
class HitPage:
    """A part of what was found; `cursor` asks for the next, and is None on the last."""

    results: Sequence[AlertHit]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Activity:
    """How many hits an alert had since some time, and when it last had one."""

    hits: int
    last_ms: int


def page(
    store: Store,
    catalog: Catalog,
    alerts: Collection[int] | None,
    limit: int,
    cursor: str | None = None,
    role: Role = Role.VIEWER,
) -> HitPage:
    """Give a page of what these alerts found, or all, as far as a role may see it. Raises CursorError."""
    at = (AlertHitRow.start_ms, AlertHitRow.id)
    query = select(AlertHitRow).join(SegmentRow, SegmentRow.packet_id == AlertHitRow.packet_id)
    query = query.where(SegmentRow.viewers <= role)
    if alerts is not None:
        query = query.where(AlertHitRow.alert_id.in_(alerts))
    if cursor is not None:
        found = _CURSOR.fullmatch(cursor)
        if found is None:
            raise CursorError(f"cursor {cursor[:50]!r} is none that a page gave")
        query = query.where(tuple_(*at) < tuple_(int(found[1]), int(found[2])))
    query = query.order_by(*(column.desc() for column in at)).limit(limit + 1)
    with store.read() as session:
        rows = session.scalars(query).all()
    segments = {each.id: each for each in catalog.these([row.packet_id for row in rows[:limit]], role)}
    hits = [_hit(row, segments[row.packet_id]) for row in rows[:limit] if row.packet_id in segments]
    last = rows[limit - 1] if len(rows) > limit else None
    return HitPage(hits, None if last is None else f"{last.start_ms}.{last.id}")


def activity(session: Session, since_ms: int, role: Role = Role.VIEWER) -> Mapping[int, Activity]:
    """Count by alert what was raised since then, as far as a role may see it."""
    columns = (AlertHitRow.alert_id, func.count(), func.max(AlertHitRow.start_ms))
    query = select(*columns).join(SegmentRow, SegmentRow.packet_id == AlertHitRow.packet_id)
    query = query.where(AlertHitRow.start_ms >= since_ms, SegmentRow.viewers <= role)
    query = query.group_by(AlertHitRow.alert_id)
    return {alert_id: Activity(hits, last_ms) for alert_id, hits, last_ms in session.execute(query)}


def _hit(row: AlertHitRow, segment: SegmentView) -> AlertHit:
    return AlertHit(row.id, row.alert_id, row.caption, row.historical, row.raised_ms, segment)
