"""What packets say is derived after they are stored: segments, jobs. Several processes may do so.

    packets `underived` --claim: a lease on their boots--> read, no lock --finish, if the lease still holds-->
        NEW    no segment yet; live ones first                                        segments, jobs
        AGAIN  what it hangs on has changed, or was not derived itself; by sequence

A process that dies leaves its packets marked, and another derives them once the lease is over. A packet that
came late has those after it derived again, up to the next refresh of each camera.
"""

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import structlog
from sqlalchemy import or_, select, text, update
from sqlalchemy.orm import Session

from cloud import index
from cloud.bound import FREE, Bound
from cloud.bundles import Bundles
from cloud.clock import Clock, wall_ms
from cloud.crew import attempt
from cloud.derived import Claim, Derived, Stored, Watcher, unwatched, write
from cloud.index import Reading
from cloud.intake import NEW
from cloud.look import LookOf, one_look
from cloud.registry import table_of
from cloud.scene import begins_anew
from cloud.schema import BootRow, PacketRow
from cloud.store import ContentError, Store, StoreError
from cloud.succession import bound_before, predecessor
from wire import documents
from wire.documents import Birth
from wire.packet import Packet

AT_ONCE = 32  # packets: some 20 ms
LEASE_MS = 10_000
_POLL_S = 0.1
_RETRY_S = 1.0

_PACKETS, _BOOTS = table_of(PacketRow), table_of(BootRow)
_COLUMNS = [_PACKETS.c[name] for name in Stored._fields]

log = structlog.get_logger()


class _Before(NamedTuple):
    """What a packet hangs on: the packet before it, if there is one, and what that says, if it counts.

    `bound` is what binds that one, also where it does not count.
    """

    packet_id: int | None
    reading: Reading | None
    underived: bool
    bound: Bound = FREE


class Derivation:
    """Derives segments; with `render_all`, each becomes a job under a `look`, else only when someone looks.

    `watch` is told of what is newly said, when that is stored.
    """

    def __init__(
        self,
        store: Store,
        bundles: Bundles,
        *,
        render_all: bool,
        clock: Clock = wall_ms,
        watch: Watcher = unwatched,
        look: LookOf = one_look,
    ) -> None:
        self._store = store
        self._bundles = bundles
        self._render_all = render_all
        self._clock = clock
        self._watch = watch
        self._look = look

    def run(self, stop: threading.Event) -> None:
        """Work until `stop`, beside who stores."""
        while not stop.is_set():
            stop.wait(self._pause_s())

    def _pause_s(self) -> float:
        """Work, and give how long to wait then."""
        try:
            return 0.0 if self.work() else _POLL_S
        except StoreError as error:
            log.warning("cannot derive, trying again", error=str(error))
            return _RETRY_S

    def work(self, most: int = AT_ONCE) -> int:
        """Derive up to so many packets, and tell how many; 0 if there are none. Raises StoreError."""
        claims, rows = self._claim(most)
        if not rows:
            if claims:  # another was quicker
                self._finish(claims, [])
            return 0
        births = {
            claim.boot_id: None if claim.birth is None else documents.decode_birth(claim.birth)
            for claim in claims
        }
        with self._store.read() as session:
            derived = self._read(session, rows, births)
        try:
            self._finish(claims, derived)
        except ContentError as error:  # some packet says what the database does not take
            log.warning("cannot store what packets say, storing one by one", error=str(error))
            for one in derived:
                self._finish_one(claims, one)
            self._finish(claims, [])
        return len(derived)

    def _claim(self, most: int) -> tuple[list[Claim], list[Stored]]:
        """Take the boots of what is to be done next, for a while, and give that, by boot and sequence."""
        now_ms = self._clock()
        # Beyond a lease's length from now: the clock was set back.
        free = or_(_BOOTS.c.lease_ms < now_ms, _BOOTS.c.lease_ms > now_ms + LEASE_MS)
        query = (
            select(_PACKETS.c.id, _PACKETS.c.boot_id, _PACKETS.c.underived)
            .join(_BOOTS, _BOOTS.c.id == _PACKETS.c.boot_id)
            .where(_PACKETS.c.underived.is_not(None), free)
            .order_by(_PACKETS.c.underived, _PACKETS.c.historical, _PACKETS.c.id)
            .limit(most)
        )
        with self._store.read() as session:
            found = session.execute(query).all()
        if not found:
            return [], []
        new = [packet_id for packet_id, _, mark in found if mark == NEW]
        wanted = {boot_id for _, boot_id, mark in found if mark == NEW} or {found[0].boot_id}
        lease_ms = now_ms + LEASE_MS
        taken = update(_BOOTS).where(_BOOTS.c.id.in_(wanted), free).values(lease_ms=lease_ms)
        taken = taken.returning(_BOOTS.c.id, _BOOTS.c.birth)
        with self._store.write() as session:
            claims = [Claim(boot_id, birth, lease_ms) for boot_id, birth in session.execute(taken)]
        with self._store.read() as session:
            return claims, _rows(session, [claim.boot_id for claim in claims], new, most)

    def _read(
        self, session: Session, rows: Iterable[Stored], births: Mapping[int, Birth | None]
    ) -> list[Derived]:
        derived = list[Derived]()
        readings = dict[int, Reading | None]()  # by packet
        latest = dict[int, int]()  # packets by camera, as long as no sequence of a boot is missing
        behind = (-1, -1)
        for row in rows:
            if (row.boot_id, row.sequence - 1) != behind:
                latest.clear()
            behind = (row.boot_id, row.sequence)
            packet_id = latest.get(row.camera_id)
            if packet_id is None:
                before = _before(session, row, readings)
            else:
                reading = readings[packet_id]
                before = _Before(packet_id, reading, underived=False, bound=_bound_of(reading))
            done = self._derive(row, births[row.boot_id], before)
            derived.append(done)
            readings[row.id] = done.reading
            if row.gap:
                latest.clear()
                behind = (-1, -1)
            else:
                latest[row.camera_id] = row.id
        return derived

    def _derive(self, row: Stored, birth: Birth | None, before: _Before) -> Derived:
        if row.gap:
            return Derived(row, before.packet_id)
        understood = before.reading is not None and before.reading.fault is None
        previous = before.reading if understood else None
        made, bounds = list[Derived](), list[Bound]()

        def derive() -> None:
            packet = Packet.parse(row.body)
            bound = Bound.of(packet)
            bounds.append(bound if begins_anew(packet) else bound.with_strictest(before.bound))
            if bound.closed is not None and before.bound.closed is None:  # once for all that follow
                log.warning("packet is hidden from everyone", packet=row.id, error=bound.closed)
            reading = index.read(packet, row.received_ms, birth, previous, self._bundles).under(bounds[0])
            layers = index.layers_json(packet, row.size)
            made.append(
                Derived(
                    row, before.packet_id, reading, layers, packet.still, packet.duration_ms, before.underived
                )
            )

        trouble = attempt(derive, "packet cannot be derived as nobody foresaw", packet=row.id)
        if trouble is None:
            return made[0]
        read = Reading(row.received_ms, None, trouble, bounds[0]) if bounds else None
        return Derived(row, before.packet_id, read).poisoned(trouble)

    def _finish(self, claims: Sequence[Claim], derived: Sequence[Derived], *, last: bool = True) -> None:
        with self._store.write() as session:
            now_ms = self._clock()
            write(
                session, claims, derived, now_ms, self._watch, render_all=self._render_all, release=last,
                look=self._look,
            )  # fmt: skip

    def _finish_one(self, claims: Sequence[Claim], derived: Derived) -> None:
        try:
            self._finish(claims, [derived], last=False)
        except ContentError as error:
            self._finish(claims, [derived.poisoned(str(error))], last=False)


def _rows(session: Session, boots: Sequence[int], new: Sequence[int], most: int) -> list[Stored]:
    """Give the packets to be derived now: those of `new`, or any again."""
    query = select(*_COLUMNS).where(_PACKETS.c.boot_id.in_(boots))
    if new:
        query = query.where(_PACKETS.c.id.in_(new), _PACKETS.c.underived == NEW)
    else:
        query = query.where(text("packets.underived = 2"))  # to the letter as the index says
    query = query.order_by(_PACKETS.c.boot_id, _PACKETS.c.sequence).limit(most)
    return [Stored(*row) for row in session.execute(query)]


def _before(session: Session, row: Stored, readings: Mapping[int, Reading | None]) -> _Before:
    """Find the packet before, and what it says; that counts unless a packet is missing in between."""
    found = predecessor(session, row.camera_id, row.boot_id, row.sequence)
    if found is None:
        return _Before(None, None, underived=False)
    bound = found.bound
    if found.packet_id in readings:
        reading, underived = readings[found.packet_id], False
        bound = None if reading is None else reading.bound  # a gap's: what is before that binds
    else:
        reading = Reading(0, found.caption, None) if found.understood else None
        underived = found.underived
    if bound is None:
        bound = bound_before(session, row.camera_id, row.boot_id, row.sequence)
    return _Before(found.packet_id, reading if found.direct else None, underived, bound)


def _bound_of(reading: Reading | None) -> Bound:
    """Tell what binds; a packet that was read says so."""
    return FREE if reading is None else reading.bound
