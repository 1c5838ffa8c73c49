"""The sums: what is added is gathered first, then each row is read and written once.

(path, time, Amount) --up to site, tenant and fleet--> (grain, place, start) --> usage
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.orm import Session

from cloud.registry import insert_missing, table_of
from cloud.schema import UsagePlaceRow, UsageRow
from cloud.usage import parts
from cloud.usage.parts import Parts
from cloud.usage.periods import Grain

NUMBERS = (
    "bytes",
    "received",
    "covered_s",
    "h264",
    "h264_of",
    "h265",
    "h265_of",
    "raw",
    "raw_of",
    "priced",
    "nano",
)
DEVICE_DEPTH = 3
_GRAINS = (Grain.HOUR, Grain.DAY, Grain.MONTH, Grain.EVER)
_AT_ONCE = 500  # places in one query

_USAGE = table_of(UsageRow)
_KEY = ("grain", "place_id", "start_ms")
_UPDATE = (
    update(_USAGE)
    .where(*(_USAGE.c[name] == bindparam(f"b_{name}") for name in _KEY))
    .values({name: bindparam(name) for name in (*NUMBERS, "parts")})
)

Key = tuple[str, int, int]


@dataclass(slots=True)
class Amount:
    """What is added to a sum: numbers by the name of their column but `bytes`, which are those of `parts`."""

    parts: Parts = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)

    def add(self, parts_of: Mapping[str, list[int]], numbers: Mapping[str, int]) -> None:
        """Add another."""
        parts.add(self.parts, parts_of)
        for name, number in numbers.items():
            self.numbers[name] = self.numbers.get(name, 0) + number


def above(path: str) -> list[str]:
    """Give all places that a device is in: the fleet, its tenant, its site, itself."""
    tenant, site, _ = path.split("/")
    return ["", tenant, f"{tenant}/{site}", path]


def depth(path: str) -> int:
    """Tell how many names a path has."""
    return path.count("/") + 1 if path else 0


class Gathering:
    """What one transaction adds to the sums. `write` does it; until then nothing is read."""

    def __init__(self) -> None:
        self._sums: dict[tuple[Grain, str, int], Amount] = {}

    def add(self, path: str, at_ms: int, amount: Amount) -> None:
        """Add something that a device did within the hour of `at_ms`."""
        folded = parts.folded(amount.parts)
        for place in above(path):
            mine = amount.parts if depth(place) == DEVICE_DEPTH else folded
            for grain in _GRAINS:
                self._add(grain, place, at_ms, mine, amount.numbers)

    def add_minute(self, path: str, at_ms: int, parts_of: Parts) -> None:
        """Add something that a device did within the minute of `at_ms` to the places above it."""
        folded = parts.folded(parts_of)
        for place in above(path)[:-1]:
            self._add(Grain.MINUTE, place, at_ms, folded, {})

    def _add(self, grain: Grain, place: str, at_ms: int, parts_of: Parts, numbers: Mapping[str, int]) -> None:
        self._sums.setdefault((grain, place, grain.start_ms(at_ms)), Amount()).add(parts_of, numbers)

    def write(self, session: Session) -> None:
        """Add it all. Whoever does so must be the only one (`cloud.usage.rollup`)."""
        if not self._sums:
            return
        ids = place_ids(session, {place for _, place, _ in self._sums})
        wanted = {
            (grain.value, ids[path], at_ms): amount for (grain, path, at_ms), amount in self._sums.items()
        }
        there = _read(session, sorted(wanted))
        connection = session.connection()
        fresh = [_row(key, wanted[key], None) for key in sorted(wanted) if key not in there]
        if fresh:
            connection.execute(insert(_USAGE), fresh)
        if there:
            connection.execute(_UPDATE, [_bound(_row(key, wanted[key], there[key])) for key in sorted(there)])


def place_ids(session: Session, paths: Iterable[str]) -> dict[str, int]:
    """Give the row ids of places, made where they are missing."""
    wanted = sorted(paths)
    found = _place_ids(session, wanted)
    missing = [path for path in wanted if path not in found]
    if missing:
        insert_missing(session, UsagePlaceRow, [{"path": path, "depth": depth(path)} for path in missing])
        found |= _place_ids(session, missing)
    return found


def _place_ids(session: Session, paths: list[str]) -> dict[str, int]:
    query = select(UsagePlaceRow.path, UsagePlaceRow.id)
    found: dict[str, int] = {}
    for first in range(0, len(paths), _AT_ONCE):
        some = query.where(UsagePlaceRow.path.in_(paths[first : first + _AT_ONCE]))
        found |= {row.path: row.id for row in session.execute(some)}
    return found


_Sum = dict[str, str | int]


def _read(session: Session, keys: Iterable[Key]) -> dict[Key, _Sum]:
    """Read what is there, a time at once: SQLite finds no index for lists of whole keys."""
    of_time: dict[tuple[str, int], list[int]] = {}
    for grain, place_id, start_ms in keys:
        of_time.setdefault((grain, start_ms), []).append(place_id)
    query = select(*(_USAGE.c[name] for name in (*_KEY, *NUMBERS, "parts")))
    found: dict[Key, _Sum] = {}
    for (grain, start_ms), ids in of_time.items():
        of_these = query.where(_USAGE.c.grain == grain, _USAGE.c.start_ms == start_ms)
        for first in range(0, len(ids), _AT_ONCE):
            here = of_these.where(_USAGE.c.place_id.in_(ids[first : first + _AT_ONCE]))
            for row in session.execute(here).mappings():
                found[row["grain"], row["place_id"], row["start_ms"]] = dict(row)
    return found


def _row(key: Key, amount: Amount, before: _Sum | None) -> _Sum:
    """Give what a row is afterwards."""
    summed = parts.decode(str(before["parts"])) if before else {}
    parts.add(summed, amount.parts)
    parts.bounded(summed)
    row: _Sum = dict(zip(_KEY, key, strict=True))
    for name in NUMBERS:
        row[name] = (int(before[name]) if before else 0) + amount.numbers.get(name, 0)
    return row | {"bytes": parts.total(summed), "parts": parts.encode(summed)}


def _bound(row: _Sum) -> _Sum:
    """Name the values of a row as `_UPDATE` binds them."""
    return {f"b_{name}" if name in _KEY else name: value for name, value in row.items()}
