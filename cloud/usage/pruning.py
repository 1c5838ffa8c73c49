"""Old sums go: minutes after hours, hours after months, days after years; months stay for ever.

As many rows a transaction as take some ten milliseconds: others write to the store, too.
"""

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from cloud.config_usage import UsageSettings
from cloud.registry import table_of
from cloud.schema import UsagePlaceRow, UsageRecordRow, UsageRow
from cloud.store import Store
from cloud.usage.periods import DAY_MS, HOUR_MS, Grain

AT_ONCE = 2_000  # records
_PLACES_AT_ONCE = 200

_RECORDS, _USAGE, _PLACES = table_of(UsageRecordRow), table_of(UsageRow), table_of(UsagePlaceRow)


def prune(store: Store, settings: UsageSettings, now_ms: int) -> int:
    """Remove what is over its time, and tell how many rows that were. Raises StoreError."""
    minutes_ms = now_ms - settings.keep_minutes_h * HOUR_MS
    gone = 0
    while True:
        with store.write() as session:
            done = _prune_records(session, minutes_ms)
        gone += done
        if done < AT_ONCE:
            break
    before = {
        Grain.MINUTE: minutes_ms,
        Grain.HOUR: now_ms - settings.keep_hours_days * DAY_MS,
        Grain.DAY: now_ms - settings.keep_days * DAY_MS,
    }
    with store.read() as session:
        places = list(session.scalars(select(_PLACES.c.id).order_by(_PLACES.c.id)))
    for first in range(0, len(places), _PLACES_AT_ONCE):
        with store.write() as session:
            gone += _prune_sums(session, places[first : first + _PLACES_AT_ONCE], before)
    return gone


def _prune_records(session: Session, before_ms: int) -> int:
    """Remove the oldest records, but those that came late."""
    old = (_RECORDS.c.end_ms < before_ms, _RECORDS.c.came_ms < before_ms)
    ends = select(_RECORDS.c.end_ms).where(*old).order_by(_RECORDS.c.end_ms).limit(AT_ONCE)
    connection = session.connection()
    found = list(connection.scalars(ends))
    if found:
        return connection.execute(delete(_RECORDS).where(*old, _RECORDS.c.end_ms <= found[-1])).rowcount
    return 0


def _prune_sums(session: Session, places: list[int], before: dict[Grain, int]) -> int:
    gone = 0
    for grain, before_ms in before.items():
        old = delete(_USAGE).where(
            _USAGE.c.grain == grain.value, _USAGE.c.place_id.in_(places), _USAGE.c.start_ms < before_ms
        )
        gone += session.connection().execute(old).rowcount
    return gone
