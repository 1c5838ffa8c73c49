"""What packets say is derived after they are stored: segments, jobs. Several processes may do so.

    packets `underived` --claim: a lease on their boots--> read, no lock --finish, if the lease still holds-->
        NEW    no segment yet; live ones first                                        segments, jobs
        AGAIN  what it hangs on has changed, or was not derived itself; by sequence

A process that dies leaves its packets marked, and another derives them once the lease is over. A packet that
came late has those after it derived again, up to the next refresh of each camera.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import structlog
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.orm import Session

from cloud import index, jobs
from cloud.bundles import Bundles
from cloud.clock import Clock, wall_ms
from cloud.crew import attempt
from cloud.index import Reading
from cloud.intake import AGAIN, NEW
from cloud.message import Message
from cloud.quarantine import quarantine
from cloud.registry import table_of
from cloud.schema import BootRow, CameraRow, DeviceRow, JobRow, PacketRow, SegmentRow
from cloud.store import ContentError, Store, StoreError
from cloud.succession import ends_of_runs, mark_followers, predecessor
from wire import documents
from wire.documents import Birth
from wire.packet import Packet
from wire.topics import DeviceTopics

AT_ONCE = 32  # packets: some 10 ms of captions
LEASE_MS = 10_000
_POLL_S = 0.1
_RETRY_S = 1.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Derived:
    """What became of one packet. `before` is the packet before it (row id); `again` if that is underived."""

    row: PacketRow
    reading: Reading | None  # None for a gap record
    layers: str
    still: bool
    duration_ms: int
    before: int | None
    again: bool
    poison: str | None = None


@dataclass(slots=True)
class _Boot:
    """A boot whose packets are being derived."""

    row: BootRow
    birth: Birth | None
    lease_ms: int
    done: list[_Derived] = field(default_factory=list)


class Derivation:
    """Derives segments; with `render_all`, each becomes a job, else only when someone looks."""

    def __init__(self, store: Store, bundles: Bundles, *, render_all: bool, clock: Clock = wall_ms) -> None:
        self._store = store
        self._bundles = bundles
        self._render_all = render_all
        self._clock = clock

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
        boots = self._claim(most)
        if not boots:
            return 0
        everything = [(boot, boot.done) for boot in boots]
        try:
            self._finish(everything)
        except ContentError as error:  # some packet says what the database does not take
            log.warning("cannot store what packets say, storing one by one", error=str(error))
            for boot in boots:
                self._finish_each(boot)
        return sum(len(boot.done) for boot in boots)

    def _claim(self, most: int) -> list[_Boot]:
        """Take the boots of what is to be done next, for a while, and read it."""
        now_ms = self._clock()
        query = (
            select(PacketRow.id, PacketRow.boot_id, PacketRow.underived)
            .join(BootRow, BootRow.id == PacketRow.boot_id)
            .where(PacketRow.underived.is_not(None), BootRow.lease_ms < now_ms)
            .order_by(PacketRow.underived, PacketRow.historical, PacketRow.id)
            .limit(most)
        )
        with self._store.read() as session:
            found = session.execute(query).all()
        if not found:
            return []
        new = [packet_id for packet_id, _, mark in found if mark == NEW]
        wanted = {boot_id for _, boot_id, mark in found if mark == NEW} or {found[0].boot_id}
        lease_ms = now_ms + LEASE_MS
        free = update(BootRow).where(BootRow.id.in_(wanted), BootRow.lease_ms < now_ms)
        with self._store.write() as session:
            ids = session.scalars(free.values(lease_ms=lease_ms).returning(BootRow.id)).all()
        boots = list[_Boot]()
        with self._store.read() as session:
            for row in session.scalars(select(BootRow).where(BootRow.id.in_(ids)).order_by(BootRow.id)):
                birth = None if row.birth is None else documents.decode_birth(row.birth)
                boot = _Boot(row, birth, lease_ms)
                self._read(session, boot, _rows(session, row.id, new, most))
                boots.append(boot)
        return boots

    def _read(self, session: Session, boot: _Boot, rows: Sequence[PacketRow]) -> None:
        """Read packets of a boot, by sequence."""
        readings = dict[int, Reading | None]()  # by packet
        latest = dict[int, PacketRow]()  # by camera, as long as no sequence is missing
        behind = -2
        for row in rows:
            if row.sequence != behind + 1:
                latest.clear()
            behind = row.sequence
            before, again = latest.get(row.camera_id), False
            reading = None if before is None else readings[before.id]
            if before is None:
                before, reading, again = _before(session, row, readings)
            if reading is not None and reading.fault is not None:
                reading = None
            done = self._derive(boot, row, None if before is None else before.id, reading, again=again)
            boot.done.append(done)
            readings[row.id] = done.reading
            latest[row.camera_id] = row
            if row.gap:
                latest.clear()

    def _derive(
        self, boot: _Boot, row: PacketRow, before: int | None, reading: Reading | None, *, again: bool
    ) -> _Derived:
        if row.gap:
            return _Derived(row, None, "", still=False, duration_ms=0, before=before, again=False)
        made = list[_Derived]()

        def derive() -> None:
            packet = Packet.parse(row.body)
            said = index.read(packet, row.received_ms, boot.birth, reading, self._bundles)
            layers = index.layers_json(packet, row.size)
            made.append(_Derived(row, said, layers, packet.still, packet.duration_ms, before, again))

        trouble = attempt(derive, "packet cannot be derived as nobody foresaw", packet=row.id)
        if trouble is None:
            return made[0]
        unread = _Derived(row, None, "{}", still=False, duration_ms=0, before=before, again=False)
        return _poisoned(unread, trouble)

    def _finish_each(self, boot: _Boot) -> None:
        for done in boot.done:
            self._finish_one(boot, done)

    def _finish_one(self, boot: _Boot, done: _Derived) -> None:
        last = done is boot.done[-1]
        try:
            self._finish([(boot, [done])], last=last)
        except ContentError as error:
            self._finish([(boot, [_poisoned(done, str(error))])], last=last)

    def _finish(self, work: Sequence[tuple[_Boot, list[_Derived]]], *, last: bool = True) -> None:
        """Write what was derived, but for boots that another process has taken, or a birth has changed."""
        with self._store.write() as session:
            for boot, done in work:
                query = select(BootRow).where(BootRow.id == boot.row.id).with_for_update()
                row = session.scalars(query).one()
                if row.lease_ms != boot.lease_ms:
                    continue
                if row.birth == boot.row.birth and done:
                    self._write(session, row, done)
                if last:
                    row.lease_ms = 0

    def _write(self, session: Session, boot: BootRow, done: Sequence[_Derived]) -> None:
        ids = [each.row.id for each in done]
        segments = [_segment(each, each.reading) for each in done if each.reading is not None]
        connection = session.connection()
        connection.execute(delete(SegmentRow).where(SegmentRow.packet_id.in_(ids)))
        if segments:
            connection.execute(insert(table_of(SegmentRow)), segments)
        again = {each.row.id for each in done if each.again}
        for marked, value in ((set(ids) - again, None), (again, AGAIN)):
            if marked:
                table = table_of(PacketRow)
                connection.execute(update(table).where(table.c.id.in_(marked)).values(underived=value))
        new = [each for each in done if each.row.underived == NEW]
        if new:
            boot.derived = max(boot.derived, new[-1].row.sequence)
            session.flush()
            for sequence in ends_of_runs(each.row.sequence for each in new):
                if sequence < boot.derived:
                    mark_followers(session, boot.id, sequence)
        self._ask(session, done)
        for each in done:
            if each.poison is not None:
                quarantine(session, _message(session, each.row), each.poison)

    def _ask(self, session: Session, done: Sequence[_Derived]) -> None:
        """Queue, hasten and retry jobs."""
        now_ms = self._clock()
        for each in done:
            row = each.row
            if row.underived == AGAIN:
                jobs.retry_failed(session, row.id, now_ms)
            elif self._render_all and not row.gap:
                patience_ms = 0 if row.historical else jobs.NEXT_SEGMENT_PATIENCE_MS
                jobs.enqueue(session, row.id, row.received_ms, not_before_ms=row.received_ms + patience_ms)
        session.flush()
        followed = [each.before for each in done if each.before is not None and each.row.underived == NEW]
        waits = update(JobRow).where(JobRow.packet_id.in_(followed), JobRow.not_before_ms > 0)
        # The successors, which they may have waited for, have come.
        session.execute(waits.values(not_before_ms=0).execution_options(synchronize_session=False))


def _rows(session: Session, boot_id: int, new: Sequence[int], most: int) -> list[PacketRow]:
    """Give the packets of a boot to be derived now, by sequence: those of `new`, or any again."""
    query = select(PacketRow).where(PacketRow.boot_id == boot_id)
    if new:
        query = query.where(PacketRow.id.in_(new), PacketRow.underived == NEW)
    else:
        query = query.where(text("packets.underived = 2"))  # to the letter as the index says
    return list(session.scalars(query.order_by(PacketRow.sequence).limit(most)))


def _before(
    session: Session, row: PacketRow, readings: Mapping[int, Reading | None]
) -> tuple[PacketRow | None, Reading | None, bool]:
    """Give the packet before, what it says if it counts, and whether that is to be derived (again) first."""
    found = predecessor(session, row)
    if found is None:
        return None, None, False
    packet, segment = found.packet, found.segment
    if packet.id in readings:
        reading, again = readings[packet.id], False
    else:
        reading = None if segment is None else Reading(segment.start_ms, segment.caption, segment.fault)
        again = packet.underived is not None and not packet.gap
    return packet, reading if found.direct else None, again


def _poisoned(done: _Derived, trouble: str) -> _Derived:
    """Give what is stored of a packet that cannot be derived, for instance for a mistake of ours."""
    start_ms = done.row.received_ms if done.reading is None else done.reading.start_ms
    return replace(done, reading=Reading(start_ms, None, trouble), poison=trouble, again=False)


def _segment(done: _Derived, reading: Reading) -> dict[str, str | int | bool | None]:
    return {
        "packet_id": done.row.id,
        "camera_id": done.row.camera_id,
        "start_ms": reading.start_ms,
        "duration_ms": done.duration_ms,
        "still": done.still,
        "caption": reading.caption,
        "fault": reading.fault,
        "layers": done.layers,
    }


def _message(session: Session, row: PacketRow) -> Message:
    camera = session.get_one(CameraRow, row.camera_id)
    device = session.get_one(DeviceRow, camera.device_id)
    topic = DeviceTopics(device.tenant, device.site, device.name).sem(camera.name)
    return Message(topic, row.body, row.received_ms)
