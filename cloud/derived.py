"""What was derived is written: segments, jobs, and what is to be derived again because of it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from cloud import jobs
from cloud.bound import Bound
from cloud.crew import attempt
from cloud.events.herald import News
from cloud.index import Reading
from cloud.intake import AGAIN, NEW
from cloud.look import LookOf, one_look
from cloud.message import Message
from cloud.quarantine import quarantine
from cloud.registry import table_of
from cloud.schema import BootRow, CameraRow, DeviceRow, JobRow, PacketRow, SegmentRow
from cloud.succession import ends_of_runs, mark_followers
from wire.topics import DeviceTopics

_PACKETS, _BOOTS = table_of(PacketRow), table_of(BootRow)
_SEGMENTS, _JOBS = table_of(SegmentRow), table_of(JobRow)
_UPDATE_BOOT = (
    update(_BOOTS)
    .where(_BOOTS.c.id == bindparam("b_id"))
    .values(derived=bindparam("derived"), lease_ms=bindparam("lease_ms"))
)


Watcher = Callable[[Session, Sequence[News], int], None]


class Claim(NamedTuple):
    """A boot whose packets are being derived by someone who has it until `lease_ms`, by this birth."""

    boot_id: int
    birth: bytes | None
    lease_ms: int


class Stored(NamedTuple):
    """A packet as it is stored; its fields are columns."""

    id: int
    boot_id: int
    camera_id: int
    sequence: int
    historical: bool
    gap: bool
    size: int
    body: bytes
    received_ms: int
    underived: int


@dataclass(frozen=True, slots=True)
class Derived:
    """What became of one packet. `before` is the packet before it; `again` if that is to be derived first.

    There is no `reading` of a gap record. `poison` is why it could not be derived.
    """

    row: Stored
    before: int | None
    reading: Reading | None = None
    layers: str = "{}"
    still: bool = False
    duration_ms: int = 0
    again: bool = False
    poison: str | None = None

    def poisoned(self, trouble: str) -> "Derived":
        """Give what is stored of a packet that cannot be derived, for instance for a mistake of ours."""
        read = self.reading or Reading(self.row.received_ms, None, None, Bound(closed=trouble))
        unread = replace(read, caption=None, fault=trouble)
        return replace(self, reading=unread, poison=trouble, again=False)


def unwatched(_session: Session, _news: Sequence[News], _now_ms: int) -> None:
    """Tell nobody."""


def write(
    session: Session,
    claims: Sequence[Claim],
    derived: Sequence[Derived],
    now_ms: int,
    watch: Watcher,
    *,
    render_all: bool,
    release: bool,
    look: LookOf = one_look,
) -> None:
    """Write what was derived, but for boots that another process has taken, or a birth has changed.

    `watch` is told, in the same transaction, of what captions say that they did not say before.
    """
    columns = (_BOOTS.c.id, _BOOTS.c.birth, _BOOTS.c.lease_ms, _BOOTS.c.derived)
    query = select(*columns).where(_BOOTS.c.id.in_([claim.boot_id for claim in claims]))
    found = {row.id: row for row in session.execute(query.order_by(_BOOTS.c.id).with_for_update())}
    ours = [claim for claim in claims if found[claim.boot_id].lease_ms == claim.lease_ms]
    valid = {claim.boot_id for claim in ours if found[claim.boot_id].birth == claim.birth}
    done = [each for each in derived if each.row.boot_id in valid]
    _tell(session, watch, _write_segments(session, done), now_ms)
    upto = {boot_id: row.derived for boot_id, row in found.items()}
    for each in done:
        if each.row.underived == NEW:
            upto[each.row.boot_id] = max(upto[each.row.boot_id], each.row.sequence)
    for boot_id in valid:
        new = (
            each.row.sequence for each in done if each.row.boot_id == boot_id and each.row.underived == NEW
        )
        for sequence in ends_of_runs(new):
            if sequence < upto[boot_id]:
                mark_followers(session, boot_id, sequence)
    values = [
        {"b_id": claim.boot_id, "derived": upto[claim.boot_id], "lease_ms": 0 if release else claim.lease_ms}
        for claim in ours
    ]
    if values:
        session.connection().execute(_UPDATE_BOOT, values)
    _ask(session, done, now_ms, look if render_all else None)
    for each in done:
        if each.poison is not None:
            quarantine(session, _message(session, each.row), each.poison)


def _write_segments(session: Session, done: Iterable[Derived]) -> list[News]:
    """Write segments, and give those whose caption is new."""
    connection = session.connection()
    replaced = [each.row.id for each in done if each.row.underived == AGAIN]
    said = dict[int, str | None]()
    if replaced:
        before = select(_SEGMENTS.c.packet_id, _SEGMENTS.c.caption).where(_SEGMENTS.c.packet_id.in_(replaced))
        said = {row.packet_id: row.caption for row in connection.execute(before)}
        connection.execute(delete(_SEGMENTS).where(_SEGMENTS.c.packet_id.in_(replaced)))
    read = [(each.reading.start_ms // 1000, each.row.id, each) for each in done if each.reading is not None]
    # In the order of `search`: what comes out of it costs SQLite a flush.
    segments = [_segment(each, each.reading) for _, _, each in sorted(read) if each.reading is not None]
    if segments:
        connection.execute(insert(_SEGMENTS), segments)
    for mark in (None, AGAIN):
        marked = [each.row.id for each in done if each.again == (mark is AGAIN)]
        if marked:
            connection.execute(update(_PACKETS).where(_PACKETS.c.id.in_(marked)).values(underived=mark))
    return [
        _news(each, reading, revised=said.get(each.row.id) is not None)
        for _, _, each in read
        if (reading := each.reading) is not None
        and reading.caption is not None
        and reading.caption != said.get(each.row.id)
    ]


def _tell(session: Session, watch: Watcher, news: Sequence[News], now_ms: int) -> None:
    """Let `watch` see what is new; a mistake of ours in there keeps no segment from being stored."""
    attempt(lambda: watch(session, news, now_ms), "news cannot be told as nobody foresaw", (SQLAlchemyError,))


def _news(each: Derived, reading: Reading, *, revised: bool) -> News:
    row = each.row
    return News(
        row.id, row.camera_id, row.boot_id, row.sequence, row.received_ms, row.historical,
        reading.start_ms, each.duration_ms, each.still, reading.caption, revised, reading.bound.published,
    )  # fmt: skip


def _segment(each: Derived, reading: Reading) -> dict[str, str | bytes | int | bool | None]:
    return {
        "packet_id": each.row.id,
        "camera_id": each.row.camera_id,
        "start_ms": reading.start_ms,
        "duration_ms": each.duration_ms,
        "still": each.still,
        "caption": reading.caption,
        "fault": reading.fault,
        "layers": each.layers,
        "binds": reading.bound.stored,
        "viewers": reading.bound.viewers,
        "expires_ms": reading.bound.expires_ms(each.row.received_ms),
    }


def _ask(session: Session, done: Sequence[Derived], now_ms: int, look: LookOf | None) -> None:
    """Queue, hasten and retry jobs; with a `look` there is one for each segment."""
    for each in done:
        row = each.row
        if row.underived == AGAIN:
            jobs.retry_failed(session, row.id, now_ms)
        elif look is not None and not row.gap:
            patience_ms = 0 if row.historical else jobs.NEXT_SEGMENT_PATIENCE_MS
            not_before_ms, seen_as = row.received_ms + patience_ms, look(session, row.camera_id)
            jobs.enqueue(session, row.id, row.received_ms, not_before_ms=not_before_ms, look=seen_as)
    followed = [each.before for each in done if each.before is not None and each.row.underived == NEW]
    if followed:
        session.flush()
        waits = update(_JOBS).where(_JOBS.c.packet_id.in_(followed), _JOBS.c.not_before_ms > 0)
        # The successors, which they may have waited for, have come.
        session.connection().execute(waits.values(not_before_ms=0))


def _message(session: Session, row: Stored) -> Message:
    camera = session.get_one(CameraRow, row.camera_id)
    device = session.get_one(DeviceRow, camera.device_id)
    topic = DeviceTopics(device.tenant, device.site, device.name).sem(camera.name)
    return Message(topic, row.body, row.received_ms)
