"""Adds up what devices said, a batch a transaction, each record once; several processes may try to.

    usage_records (not counted) --by device, in order--> reckoning --> usage, usage_ledgers
    cameras.received            --since the last look -->  `received`

A record that the ledger does not believe yet waits, and so do those behind it. What was counted is marked in
the same transaction, so a crash counts nothing twice. Only one process adds at a time: it holds the lock of
the fleet's own place.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.orm import Session

from cloud.clock import Clock, wall_ms
from cloud.registry import table_of
from cloud.schema import UsagePlaceRow, UsageRecordRow
from cloud.store import Store
from cloud.usage import instead, ledgers, parts, records, sums
from cloud.usage.instead import Instead
from cloud.usage.ledgers import Book
from cloud.usage.periods import HOUR_MS, MINUTE_MS, pieces
from cloud.usage.reckoning import Reckoned, Record, Verdict, reckon
from cloud.usage.records import Refusal
from cloud.usage.sums import Amount, Gathering

MOST_RECORDS = 5_000  # in one transaction
AT_ONCE = 200  # devices in one transaction: some 100 ms in which nobody else writes to SQLite
SETTLED_MS = 2_000  # what came by several processes is in order by then
WAITING_MS = 5 * 60_000  # how often a device is looked at again of which records wait
MINUTES_MS = 48 * HOUR_MS  # of which minutes are summed
UNBELIEVED_MS = 48 * HOUR_MS  # after so long, what waited is refused

_RECORDS = table_of(UsageRecordRow)
_MARK = update(_RECORDS).where(
    _RECORDS.c.boot_id == bindparam("b_boot"),
    _RECORDS.c.uptime_s == bindparam("b_uptime"),
    _RECORDS.c.statement == bindparam("b_statement"),
)
_FORGET = delete(_RECORDS).where(
    _RECORDS.c.boot_id == bindparam("b_boot"),
    _RECORDS.c.uptime_s == bindparam("b_uptime"),
    _RECORDS.c.statement == bindparam("b_statement"),
)


class Rollup:
    """Adds up. For one thread."""

    def __init__(self, store: Store, clock: Clock = wall_ms, currency: str = "EUR") -> None:
        """Sum up what links cost in `currency`; costs in others are known by link only."""
        self._currency = currency
        self._store = store
        self._clock = clock
        self._waiting: dict[int, int] = {}  # devices, and when they are looked at again

    def work(self) -> int:
        """Add up all that is there, and tell how many records that were. Raises StoreError."""
        now_ms = self._clock()
        self._waiting = {device: at_ms for device, at_ms in self._waiting.items() if at_ms > now_ms}
        with self._store.read() as session:
            due = sorted({*_uncounted(session, now_ms), *ledgers.changed(session)} - self._waiting.keys())
        done = 0
        for first in range(0, len(due), AT_ONCE):
            with self._store.write() as session:
                done += self._count(session, due[first : first + AT_ONCE], now_ms)
        return done

    def _count(self, session: Session, device_ids: Sequence[int], now_ms: int) -> int:
        _lock(session)
        gathering, rates = Gathering(), instead.read(session, device_ids)
        found = _records(session, device_ids, now_ms)
        books = ledgers.read(session, device_ids, now_ms)
        settled = list[tuple[Record, Verdict]]()
        for book in books:
            if book.news:
                gathering.add(book.path, now_ms, Amount(numbers={"received": book.news}))
            rate = rates.get(book.device_id, Instead({}))
            settled += self._reckon(book, found.get(book.device_id, ()), rate, gathering, now_ms)
        gathering.write(session)
        ledgers.write(session, books)
        _settle(session, settled, now_ms)
        return len(settled)

    def _reckon(
        self, book: Book, said: Sequence[Record], rate: Instead, gathering: Gathering, now_ms: int
    ) -> list[tuple[Record, Verdict]]:
        """Count the records of a device in order, up to the first that has to wait."""
        settled = list[tuple[Record, Verdict]]()
        received = sum(book.received.values())
        for record in said:
            reckoned = reckon(book.ledger, record, received, now_ms)
            if reckoned.verdict is Verdict.WAITS and record.end_ms > now_ms - UNBELIEVED_MS:
                self._waiting[book.device_id] = now_ms + WAITING_MS
                break
            book.ledger = reckoned.ledger
            settled.append((record, reckoned.verdict))
            if reckoned.verdict is Verdict.COUNTED:
                for at_ms, amount in _amounts(record, reckoned, rate, self._currency):
                    gathering.add(book.path, at_ms, amount)
                for at_ms, share in _minutes(record, reckoned, now_ms):
                    gathering.add_minute(book.path, at_ms, share)
        return settled


def _amounts(record: Record, reckoned: Reckoned, rate: Instead, currency: str) -> list[tuple[int, Amount]]:
    """Give what a record adds to which hours: in proportion to how much of its span is in each."""
    if record.statement:
        return [(record.end_ms, Amount(reckoned.added))]
    hours = list(pieces(record.end_ms - record.span_s * 1000, record.end_ms, HOUR_MS))
    weights = [length_ms for _, length_ms in hours]
    fresh = parts.cut(reckoned.fresh_ms, weights)
    covered = parts.cut(reckoned.fresh_ms // 1000, weights)
    shares = parts.shares(reckoned.added, weights)
    return [
        (
            at_ms,
            Amount(
                share,
                {"covered_s": seconds} | rate.numbers(fresh_ms, parts.total(share)) | _costs(share, currency),
            ),
        )
        for (at_ms, _), share, fresh_ms, seconds in zip(hours, shares, fresh, covered, strict=True)
    ]


def _costs(share: parts.Parts, currency: str) -> dict[str, int]:
    priced = [each for each in parts.links(share) if each.currency]
    nano = sum(each.nano for each in priced if each.currency == currency)
    return {"priced": sum(each.bytes for each in priced), "nano": nano}


def _minutes(record: Record, reckoned: Reckoned, now_ms: int) -> list[tuple[int, parts.Parts]]:
    """Give what a record adds to which minutes, as far as they are shown."""
    if record.statement or record.end_ms < now_ms - MINUTES_MS:
        return [(record.end_ms, reckoned.added)] if record.statement else []
    minutes = list(pieces(record.end_ms - record.span_s * 1000, record.end_ms, MINUTE_MS))
    shares = parts.shares(reckoned.added, [length_ms for _, length_ms in minutes])
    return [(at_ms, share) for (at_ms, _), share in zip(minutes, shares, strict=True)]


def _lock(session: Session) -> None:
    """Wait until nobody else adds up. SQLite has one writer anyway."""
    fleet = sums.place_ids(session, [""])[""]
    session.execute(select(UsagePlaceRow.id).where(UsagePlaceRow.id == fleet).with_for_update())


def _uncounted(session: Session, now_ms: int) -> list[int]:
    query = select(_RECORDS.c.device_id).where(_RECORDS.c.counted_ms.is_(None)).distinct()
    return list(session.scalars(query.where(_RECORDS.c.came_ms <= now_ms - SETTLED_MS)))


def _records(session: Session, device_ids: Sequence[int], now_ms: int) -> Mapping[int, list[Record]]:
    """Read what is to be counted, by device, in the order in which it was sent."""
    query = (
        select(_RECORDS)
        .where(_RECORDS.c.counted_ms.is_(None), _RECORDS.c.device_id.in_(device_ids))
        .where(_RECORDS.c.came_ms <= now_ms - SETTLED_MS)
        .order_by(_RECORDS.c.device_id, _RECORDS.c.boot_id, _RECORDS.c.uptime_s, _RECORDS.c.statement)
        .limit(MOST_RECORDS)
    )
    return {
        device_id: [
            Record(row.boot_id, row.uptime_s, row.statement, row.end_ms, row.span_s, parts.decode(row.parts))
            for row in rows
        ]
        for device_id, rows in groupby(session.execute(query), key=lambda row: row.device_id)
    }


def _settle(session: Session, settled: Sequence[tuple[Record, Verdict]], now_ms: int) -> None:
    """Mark what was counted, and forget what is not to be."""
    keys: dict[bool, list[dict[str, int | bool]]] = {True: [], False: []}
    for record, verdict in settled:
        keys[verdict is Verdict.COUNTED].append(
            {"b_boot": record.boot_id, "b_uptime": record.uptime_s, "b_statement": record.statement}
        )
    connection = session.connection()
    if keys[True]:
        connection.execute(_MARK.values(counted_ms=now_ms), keys[True])
    if keys[False]:
        connection.execute(_FORGET, keys[False])
    reasons = {Verdict.STALE: Refusal.OVERLAP, Verdict.WAITS: Refusal.UNBELIEVED}
    for verdict, reason in reasons.items():
        count = sum(found is verdict and not record.statement for record, found in settled)
        records.refuse(session, reason, count)
