"""What was sent, asked of the sums: totals, bytes over time by layer, top talkers, and all devices at once.

A time is covered by whole days of UTC and, at its edges, by hours. Places are "" (the fleet), tenant,
tenant/site and tenant/site/device. All raise StoreError.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from cloud.config_usage import UsageSettings
from cloud.registry import table_of
from cloud.schema import DeviceRow, UsagePlaceRow, UsageRecordRow, UsageRow
from cloud.store import Store
from cloud.usage import parts
from cloud.usage.parts import Parts
from cloud.usage.periods import DAY_MS, HOUR_MS, MINUTE_MS, Grain, Period, pieces
from cloud.usage.sums import DEVICE_DEPTH, NUMBERS, depth
from wire.spent import PAYLOAD

MOST_POINTS = 3_000  # of a series
MEGABYTE = 1_000_000
NANO = 10**9

_USAGE, _PLACES = table_of(UsageRow), table_of(UsagePlaceRow)


@dataclass(frozen=True, slots=True)
class LinkTotal:
    """What went by links of one name, and what that cost; None without a price."""

    link: str
    bytes: int
    cost: float | None
    currency: str | None


@dataclass(frozen=True, slots=True)
class Totals:
    """What a place sent in a time. `layers` and `kinds` each add up to `bytes`, `cameras` without the device.

    `payload` is what devices say their packets had, `received` what came of them. The ratios say how many
    times more video would have taken, None where that is not known; `cost` is None without a price. `links`
    are those that devices named; what went by others, or is known of no minute, is not among them.
    """

    place: str
    from_ms: int
    to_ms: int
    bytes: int
    received: int
    payload: int
    covered_s: int
    layers: dict[str, int]
    kinds: dict[str, int]
    cameras: dict[str, int]
    ratio_h264: float | None
    ratio_h265: float | None
    ratio_raw: float | None
    cost: float | None
    links: tuple[LinkTotal, ...] = ()


@dataclass(frozen=True, slots=True)
class Point:
    """What was sent in the minute, hour, day or month from `start_ms`, by layer; framing by its kind."""

    start_ms: int
    bytes: int
    layers: dict[str, int]


@dataclass(frozen=True, slots=True)
class Talker:
    """A place below another, and what part of the other's bytes it sent."""

    place: str
    bytes: int
    share: float
    cost: float | None


@dataclass(slots=True)
class _Sum:
    numbers: dict[str, int] = field(default_factory=lambda: dict.fromkeys(NUMBERS, 0))
    parts: Parts = field(default_factory=dict)


class Usage:
    """Answers from the store. Safe to share between threads."""

    def __init__(self, store: Store, settings: UsageSettings) -> None:
        self._store = store
        self.settings = settings

    def totals(self, place: str, from_ms: int, to_ms: int) -> Totals:
        """Add up what a place sent."""
        summed = _Sum()
        with self._store.read() as session:
            for row in _rows(session, place, Period(from_ms, to_ms)):
                parts.add(summed.parts, parts.decode(row["parts"]))
                for name in NUMBERS:
                    summed.numbers[name] += row[name]
        return self._totals(place, from_ms, to_ms, summed)

    def series(self, place: str, from_ms: int, to_ms: int, grain: Grain) -> list[Point]:
        """Give what a place sent over time, of each period that begins in it; empty ones are left out."""
        with self._store.read() as session:
            if grain is Grain.MINUTE and depth(place) == DEVICE_DEPTH:
                found = _device_minutes(session, place, from_ms, to_ms)
            else:
                found = {
                    row["start_ms"]: parts.decode(row["parts"])
                    for row in _rows_of(session, place, grain, from_ms, to_ms)
                }
        return [
            Point(start_ms, parts.total(sizes), parts.by_layer(sizes))
            for start_ms, sizes in sorted(found.items())[-MOST_POINTS:]
        ]

    def top(self, place: str, from_ms: int, to_ms: int, limit: int) -> list[Talker]:
        """Give the devices of a place that sent most, the greatest first."""
        with self._store.read() as session:
            sent = list(summed(session, Period(from_ms, to_ms), place, DEVICE_DEPTH))
        whole = sum(row["bytes"] for row in sent)
        most = sorted(sent, key=lambda row: (-row["bytes"], row["path"]))[:limit]
        return [
            Talker(row["path"], row["bytes"], row["bytes"] / whole, cost(row, self.settings))
            for row in most
            if row["bytes"]
        ]

    def _totals(self, place: str, from_ms: int, to_ms: int, summed: _Sum) -> Totals:
        numbers, kinds, cameras, payload = summed.numbers, dict[str, int](), dict[str, int](), 0
        for name, (_, kind), size in parts.slots(summed.parts):
            kinds[kind] = kinds.get(kind, 0) + size
            if name != parts.OWN:
                label = parts.LABELS.get(name, name)
                cameras[label] = cameras.get(label, 0) + size
                payload += size if kind == PAYLOAD else 0
        size = numbers["bytes"]
        return Totals(
            place, from_ms, to_ms, size, numbers["received"], payload, numbers["covered_s"],
            parts.by_layer(summed.parts), kinds, cameras, ratio(numbers, "h264"), ratio(numbers, "h265"),
            ratio(numbers, "raw"), cost(numbers, self.settings), tuple(map(_link, parts.links(summed.parts))),
        )  # fmt: skip


def _link(sent: parts.OfLink) -> LinkTotal:
    price = round(sent.nano / NANO, 6) if sent.currency else None
    return LinkTotal(parts.LABELS.get(sent.name, sent.name), sent.bytes, price, sent.currency or None)


def cost(numbers: Mapping[str, int], settings: UsageSettings) -> float | None:
    """Tell what bytes cost, in the operator's currency: of links that have a price, and of the others."""
    price, priced = settings.price_per_mb, numbers["priced"]
    if price is None and not priced:
        return None
    return round(numbers["nano"] / NANO + (numbers["bytes"] - priced) * (price or 0) / MEGABYTE, 6)


def ratio(numbers: Mapping[str, int], name: str) -> float | None:
    """Tell how many times more video would have taken than what was sent instead of it."""
    of = numbers[f"{name}_of"]
    return round(numbers[name] / of, 3) if of and numbers[name] else None


def spent(session: Session, period: Period, below: str = "", level: int = DEVICE_DEPTH) -> dict[str, int]:
    """Give the bytes of all places of a level below a place; those that sent nothing are left out."""
    found: dict[str, int] = {}
    for row in summed(session, period, below, level):
        found[row["path"]] = row["bytes"]
    return found


def summed(session: Session, period: Period, below: str, level: int) -> Iterator[Any]:
    """Give the numbers of all places of a level in a time, by path."""
    where = [_PLACES.c.depth == level]
    if below:
        where.append(or_(_PLACES.c.path == below, _PLACES.c.path.startswith(f"{below}/", autoescape=True)))
    columns = [func.sum(_USAGE.c[name]).label(name) for name in NUMBERS]
    query = (
        select(_PLACES.c.path, *columns)
        .join(_USAGE, _USAGE.c.place_id == _PLACES.c.id)
        .where(*where, covering(period))
        .group_by(_PLACES.c.path)
    )
    for row in session.execute(query).mappings():
        yield {name: row[name] if name == "path" else int(row[name]) for name in ("path", *NUMBERS)}


def covering(period: Period) -> ColumnElement[bool]:
    """Choose the sums that cover a time: days, and hours at its edges."""
    first_day, last_day = -(-period.from_ms // DAY_MS) * DAY_MS, period.to_ms - period.to_ms % DAY_MS
    spans: list[tuple[Grain, int, int]] = [(Grain.DAY, first_day, last_day)]
    if first_day >= last_day:
        spans = [(Grain.HOUR, period.from_ms, period.to_ms)]
    else:
        spans += [(Grain.HOUR, period.from_ms, first_day), (Grain.HOUR, last_day, period.to_ms)]
    start = _USAGE.c.start_ms
    return or_(
        *(
            and_(_USAGE.c.grain == grain.value, start >= from_ms, start < to_ms)
            for grain, from_ms, to_ms in spans
            if from_ms < to_ms
        )
    )


def _rows(session: Session, place: str, period: Period) -> Iterator[Any]:
    query = select(_USAGE).join(_PLACES, _PLACES.c.id == _USAGE.c.place_id)
    yield from session.execute(query.where(_PLACES.c.path == place, covering(period))).mappings()


def _rows_of(session: Session, place: str, grain: Grain, from_ms: int, to_ms: int) -> Sequence[Any]:
    query = (
        select(_USAGE.c.start_ms, _USAGE.c.parts)
        .join(_PLACES, _PLACES.c.id == _USAGE.c.place_id)
        .where(_PLACES.c.path == place, _USAGE.c.grain == grain.value)
        .where(_USAGE.c.start_ms >= from_ms, _USAGE.c.start_ms < to_ms)
        .order_by(_USAGE.c.start_ms.desc())
        .limit(MOST_POINTS)
    )
    return session.execute(query).mappings().all()


def _device_minutes(session: Session, place: str, from_ms: int, to_ms: int) -> dict[int, Parts]:
    tenant, site, name = place.split("/")
    records = UsageRecordRow
    query = (
        select(records.end_ms, records.span_s, records.parts)
        .join(DeviceRow, DeviceRow.id == records.device_id)
        .where(DeviceRow.tenant == tenant, DeviceRow.site == site, DeviceRow.name == name)
        .where(records.counted_ms.is_not(None), records.statement.is_(False))
        .where(records.end_ms > from_ms, records.end_ms < to_ms + HOUR_MS)
    )
    found: dict[int, Parts] = {}
    for row in session.execute(query):
        minutes = list(pieces(row.end_ms - row.span_s * 1000, row.end_ms, MINUTE_MS))
        shares = parts.shares(parts.decode(row.parts), [length_ms for _, length_ms in minutes])
        for (at_ms, _), share in zip(minutes, shares, strict=True):
            if from_ms <= at_ms < to_ms:
                parts.add(found.setdefault(at_ms, {}), share)
    return found
