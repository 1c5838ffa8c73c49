"""Search over captions: words, where, when; the newest first, or the closest of the newest.

query --> search (migration 0008; FTS5 or tsvector) --spots, newest first--> segments

A spot is a segment's place in the order of time: seconds of its start, then its packet. The index is read
only as far as a page needs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import ColumnElement, select, text
from sqlalchemy.orm import Session

from cloud.access.roles import Role
from cloud.catalog import Catalog, SegmentView
from cloud.look import ONE_LOOK, Looks
from cloud.query import Query, closeness, fts5, tsquery
from cloud.schema import CameraRow, DeviceRow
from cloud.store import Store

MAX_RESULTS = 100  # in one page
MAX_TEXT = 200  # characters of a query
RANKED = 1000  # of the newest that match, so many are put in the order of closeness

Order = Literal["newest", "closest"]
Scope = Literal["tenant", "site", "device", "camera"]
SCOPES: tuple[Scope, ...] = ("tenant", "site", "device", "camera")  # by how many names they have

_LAST = 2**63 - 1
_PACKET_BITS = 31
_PACKET_MASK = 2**_PACKET_BITS - 1
_WHEN = "g.start_ms >= :from_ms AND g.start_ms < :to_ms AND g.viewers <= :role"
# CROSS JOIN is an order for SQLite's planner: it must not begin with the segments.
_FTS5 = f"""
    SELECT s.rowid, g.caption FROM search AS s CROSS JOIN segments AS g
    ON g.packet_id = (s.rowid & {_PACKET_MASK})
    WHERE s.search MATCH :match AND s.rowid >= :low AND s.rowid <= :high AND {_WHEN}
    ORDER BY s.rowid DESC LIMIT :most
"""  # noqa: S608 -- constants
_TSVECTOR = f"""
    SELECT s.spot, g.caption FROM search AS s JOIN segments AS g
    ON g.packet_id = CAST(s.spot & {_PACKET_MASK} AS integer)
    WHERE s.words @@ to_tsquery('simple', :match) AND s.place @> CAST(:places AS text[])
    AND s.spot >= :low AND s.spot <= :high AND {_WHEN}
    ORDER BY s.spot DESC LIMIT :most
"""  # noqa: S608 -- constants


class UnknownPlaceError(LookupError):
    """There is no such tenant, site, device or camera; the message names it."""


class CursorError(ValueError):
    """The cursor is none that a page of this search gave."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for: `places` by what they are, each tenant/site/… as far as it is named.

    Starts of segments are from `from_ms` on, and before `to_ms`. `cursor` is what the page before gave.
    Nothing is found outside of `within`, a tenant or tenant/site, whether there is such a place or not, and
    nothing that its sender hides from `role`.
    """

    text: str
    places: Mapping[Scope, str]
    from_ms: int = 0
    to_ms: int = 2**53
    order: Order = "newest"
    limit: int = 20
    cursor: str | None = None
    within: str | None = None
    role: Role = Role.VIEWER


@dataclass(frozen=True, slots=True)
class Hit:
    """A segment that was found; `thumbnail` is where its picture is."""

    segment: SegmentView
    thumbnail: str


@dataclass(frozen=True, slots=True)
class Page:
    """A part of what was found; `cursor` asks for the next, and is None on the last."""

    results: list[Hit]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class _Cursor:
    """No spot after `high`, and of what is left, nothing before place `skip`."""

    high: int = _LAST
    skip: int = 0

    @classmethod
    def parse(cls, written: str | None) -> "_Cursor":
        if written is None:
            return cls()
        high, _, skip = written.partition("-")
        if not all(part.isascii() and part.isdigit() and len(part) < 20 for part in (high, skip)):
            raise CursorError(f"cursor {written[:50]!r} is none that a page gave")
        return cls(min(int(high), _LAST), min(int(skip), RANKED))

    def __str__(self) -> str:
        return f"{self.high}-{self.skip}"


class Search:
    """Answers searches; safe to share between threads. Raises StoreError if the database does not answer."""

    def __init__(self, store: Store, looks: Looks = ONE_LOOK) -> None:
        self._store = store
        self._catalog = Catalog(store, looks)

    def find(self, wanted: Wanted) -> Page:
        """Give a page of what is wanted. Raises UnknownPlaceError, CursorError."""
        query, cursor = Query.parse(wanted.text), _Cursor.parse(wanted.cursor)
        with self._store.read() as session:
            places = _places(session, wanted)
            if query.is_empty:
                return Page([], None)
            if wanted.order == "newest":
                found = _spots(session, wanted, query, places, cursor.high, wanted.limit + 1)
                following = _Cursor(found[-1][0]) if len(found) > wanted.limit else None
                spots = [spot for spot, _ in found[: wanted.limit]]
            else:
                found = _spots(session, wanted, query, places, cursor.high, RANKED)
                ranked = sorted(found, key=lambda hit: (-closeness(query, hit[1]), -hit[0]))
                end = cursor.skip + wanted.limit
                following = _Cursor(max(found)[0], end) if len(found) > end else None
                spots = [spot for spot, _ in ranked[cursor.skip : end]]
        segments = self._catalog.these([spot & _PACKET_MASK for spot in spots], wanted.role)
        hits = [Hit(segment, f"/api/v1/segments/{segment.id}/thumb.jpg") for segment in segments]
        return Page(hits, None if following is None else str(following))

    def matches(self, wanted: Wanted, most: int) -> list[int]:
        """Give the ids of what is wanted, the newest first, up to `most`. Raises UnknownPlaceError."""
        query = Query.parse(wanted.text)
        with self._store.read() as session:
            places = _places(session, wanted)
            if query.is_empty:
                return []
            return [spot & _PACKET_MASK for spot, _ in _spots(session, wanted, query, places, _LAST, most)]


def _places(session: Session, wanted: Wanted) -> list[str]:
    """Give the words that all places are indexed as, in which is looked."""
    places = [_place(session, scope, path) for scope, path in wanted.places.items()]
    if wanted.within is not None:
        places.append(_word("site" if "/" in wanted.within else "tenant", wanted.within))
    return places


def _spots(
    session: Session, wanted: Wanted, query: Query, places: Sequence[str], high: int, most: int
) -> list[tuple[int, str]]:
    """Give spots and captions of what matches up to `high`, the newest first."""
    given: dict[str, object] = {
        "low": _spot(wanted.from_ms),
        "high": min(high, _spot(wanted.to_ms) | _PACKET_MASK),
        "from_ms": wanted.from_ms,
        "to_ms": wanted.to_ms,
        "role": int(wanted.role),
        "most": most,
    }
    if session.get_bind().dialect.name == "postgresql":
        statement = text(_TSVECTOR)
        given |= {"match": tsquery(query), "places": list(places)}
    else:
        statement = text(_FTS5)
        given |= {"match": fts5(query, places)}
    return [(int(spot), str(caption)) for spot, caption in session.execute(statement, given)]


def _spot(at_ms: int) -> int:
    """Give the first spot of a second, as the triggers do."""
    return max(0, min(at_ms // 1000, 2**32 - 1)) << _PACKET_BITS


def _place(session: Session, scope: Scope, path: str) -> str:
    """Give the word that a place is indexed as."""
    columns = (DeviceRow.tenant, DeviceRow.site, DeviceRow.name, CameraRow.name)
    names = path.split("/")
    count = SCOPES.index(scope) + 1
    where: list[ColumnElement[bool]] = [column == name for column, name in zip(columns, names, strict=False)]
    query = select(CameraRow.id, DeviceRow.id).join(DeviceRow, DeviceRow.id == CameraRow.device_id)
    found = session.execute(query.where(*where).limit(1)).one_or_none() if len(names) == count else None
    if found is None:
        raise UnknownPlaceError(f"no {scope} {path!r}")
    if scope == "camera":
        return f"0c{found[0]}"
    return f"0d{found[1]}" if scope == "device" else _word(scope, path)


def _word(scope: Scope, path: str) -> str:
    """Give the word that a site or a tenant is indexed as."""
    return f"0{scope[0]}{path.encode().hex()}"
