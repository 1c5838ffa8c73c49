"""What live views have shown, kept in the store: the same for every process, and after a restart.

    packets of a camera   ... 41 | 42 43 44        decided up to 41, which the camera's row in `lives` says
    live_fragments        ... 107                  and shown up to number 107

Each look of a camera (`cloud.looks`) has a stream of its own. Whoever adds to one locks that row and looks
whether it still ends where it was seen to end.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import and_, delete, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import ColumnElement

from cloud.access.roles import Role
from cloud.catalog import UnknownCameraError
from cloud.hls.pace import STILL_LIMIT_MS, Candidate, Clip, State, Verdict, judge
from cloud.hls.reel import Fragment, Place
from cloud.schema import (
    BootRow,
    CameraRow,
    ClipRow,
    DeviceRow,
    JobRow,
    LiveFragmentRow,
    LiveRow,
    PacketRow,
    SegmentRow,
)
from cloud.store import Store

WINDOW = 12  # fragments in a playlist
KEPT = 64  # fragments of a camera that are kept: who measures looks at them
_AT_ONCE = 64  # segments looked at; more have not come since the last look, or nobody looked
_STATES: dict[str, State] = {"queued": "queued", "running": "running", "dead": "failed"}


class Stream(NamedTuple):
    """A camera, and what those who look see it as (`cloud.looks`)."""

    camera_id: int
    look: str = ""


@dataclass(frozen=True, slots=True)
class Outlook:
    """A stream as it is, and what has come since. `quiet` says that its device is there and means it."""

    live: LiveRow
    candidates: Sequence[Candidate]
    quiet: bool


@dataclass(frozen=True, slots=True)
class Addition:
    """What is added to a stream: decisions up to `decided`, of which one may show something."""

    place: Place
    fragments: Sequence[Fragment]
    stored_ms: dict[int, int]  # by packet
    decided: tuple[int, int]  # boot, sequence
    shown: tuple[int, str, bool] | None  # packet, clip, still: the last one
    late: int = 0
    failed: int = 0
    held: int = 0


class Ledger:
    """Reads and writes streams. Raises StoreError."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def camera_id(self, path: str) -> int:
        """Find a camera by tenant/site/device/name, or raise UnknownCameraError."""
        tenant, site, device, name = path.split("/")
        query = (
            select(CameraRow.id)
            .join(DeviceRow, DeviceRow.id == CameraRow.device_id)
            .where(DeviceRow.tenant == tenant, DeviceRow.site == site, DeviceRow.name == device)
            .where(CameraRow.name == name)
        )
        with self._store.read() as session:
            found = session.scalar(query)
        if found is None:
            raise UnknownCameraError(f"no camera {path!r}")
        return found

    def join(self, stream: Stream, now_ms: int, idle_ms: int) -> None:
        """Have a stream begin with the newest, unless something was added within `idle_ms`."""
        with self._store.write() as session:
            # Unless it is there, or another process has just made it.
            dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
            row = {"camera_id": stream.camera_id, "look": stream.look} | _after_all(session, stream)
            session.execute(dialect.insert(LiveRow).values(row).on_conflict_do_nothing())
            live = session.get_one(LiveRow, stream, with_for_update=True)
            if live.number > 0 and now_ms - live.listed_ms < idle_ms:
                return
            live.boot_id, live.sequence = _before_the_newest(session, stream, now_ms)
            live.since = live.number

    def outlook(self, stream: Stream) -> Outlook | None:
        """Tell how a stream stands; None if nobody has joined it."""
        with self._store.read() as session:
            live = session.get(LiveRow, stream)
            if live is None:
                return None
            candidates = _candidates(session, stream, (live.boot_id, live.sequence), _AT_ONCE)
            boot = session.get(BootRow, live.boot_id)
            device = None if boot is None else session.get(DeviceRow, boot.device_id)
            quiet = (
                boot is not None
                and device is not None
                and device.boot_hex == boot.boot_hex
                and boot.state not in ("lost", "sleeping")
            )
            return Outlook(live, candidates, quiet)

    def add(self, seen: LiveRow, more: Addition, now_ms: int) -> bool:
        """Add to a stream that was `seen`; False if another process was quicker."""
        with self._store.write() as session:
            stream = Stream(seen.camera_id, seen.look)
            live = session.get_one(LiveRow, stream, with_for_update=True, populate_existing=True)
            if (live.number, live.boot_id, live.sequence) != (seen.number, seen.boot_id, seen.sequence):
                return False
            place = more.place
            live.boot_id, live.sequence = more.decided
            live.number, live.era, live.init_id = place.number, place.era, place.init_id
            live.timescale, live.ticks, live.end_ms = place.timescale, place.ticks, place.end_ms
            live.late, live.failed, live.held = (
                live.late + more.late,
                live.failed + more.failed,
                live.held + more.held,
            )
            if more.shown is not None:
                live.packet_id, live.tag, live.still = more.shown
                live.shown_ms = now_ms
            if more.fragments:
                live.listed_ms = now_ms
                session.add_all(_row(stream, each, more, now_ms) for each in more.fragments)
                old = LiveFragmentRow.number < live.number - KEPT
                session.execute(delete(LiveFragmentRow).where(*_is_of(stream), old))
        return True

    def window(self, stream: Stream, most: int = WINDOW) -> list[LiveFragmentRow]:
        """Give the last entries of a stream, in order."""
        with self._store.read() as session:
            live = session.get(LiveRow, stream)
            if live is None:
                return []
            first = max(live.since, live.number - most)
            query = select(LiveFragmentRow).where(*_is_of(stream), LiveFragmentRow.number >= first)
            return list(session.scalars(query.order_by(LiveFragmentRow.number)))

    def shown(self, packet_ids: Collection[int], role: Role) -> set[int]:
        """Give those of the packets whose senders let a role look."""
        query = select(SegmentRow.packet_id).where(SegmentRow.packet_id.in_(packet_ids))
        with self._store.read() as session:
            return set(session.scalars(query.where(SegmentRow.viewers <= role)))

    def live(self, stream: Stream) -> LiveRow | None:
        """Give the row of a stream."""
        with self._store.read() as session:
            return session.get(LiveRow, stream)

    def clip(self, stream: Stream, packet_id: int, tag: str) -> Clip | None:
        """Find a stream's clip whose fingerprint begins with `tag`; None if there is none any more."""
        query = (
            select(ClipRow)
            .join(PacketRow, PacketRow.id == ClipRow.packet_id)
            .where(ClipRow.packet_id == packet_id, PacketRow.camera_id == stream.camera_id)
            .where(ClipRow.look == stream.look)
        )
        with self._store.read() as session:
            clip = session.scalar(query)
        return None if clip is None or not clip.fingerprint.startswith(tag) else _clip(clip)


def fragment_of(row: LiveFragmentRow) -> Fragment:
    """Read an entry."""
    return Fragment(
        row.number, row.packet_id, row.tag, row.piece, row.init_id, row.timescale, row.base_ticks, row.ticks,
        row.start_ms, row.era,
    )  # fmt: skip


def place_of(live: LiveRow) -> Place:
    """Read where a stream ends."""
    return Place(live.number, live.era, live.init_id, live.timescale, live.ticks, live.end_ms)


def _is_of(stream: Stream) -> tuple[ColumnElement[bool], ...]:
    return LiveFragmentRow.camera_id == stream.camera_id, LiveFragmentRow.look == stream.look


def _after_all(session: Session, stream: Stream) -> dict[str, int]:
    """Say where a new stream of a camera begins: after its others, whose players may go over to it."""
    others = select(LiveRow).where(LiveRow.camera_id == stream.camera_id).order_by(LiveRow.number.desc())
    last = session.scalars(others.limit(1)).first()
    if last is None:
        return {}
    names = ("number", "era", "timescale", "ticks", "end_ms")
    return {name: getattr(last, name) for name in names} | {"since": last.number}


def _candidates(session: Session, stream: Stream, after: tuple[int, int], most: int) -> list[Candidate]:
    """Read the newest live segments after (boot, sequence), in order."""
    here = tuple_(PacketRow.boot_id, PacketRow.sequence)
    query = (
        select(PacketRow, SegmentRow, JobRow.state, ClipRow)
        .join(SegmentRow, SegmentRow.packet_id == PacketRow.id)
        .outerjoin(JobRow, and_(JobRow.packet_id == PacketRow.id, JobRow.look == stream.look))
        .outerjoin(ClipRow, and_(ClipRow.packet_id == PacketRow.id, ClipRow.look == stream.look))
        .where(PacketRow.camera_id == stream.camera_id, here > after, PacketRow.historical.is_(False))
        .order_by(PacketRow.boot_id.desc(), PacketRow.sequence.desc())
        .limit(most)
    )
    found = [
        Candidate(
            packet_id=segment.packet_id,
            boot_id=packet.boot_id,
            sequence=packet.sequence,
            start_ms=segment.start_ms,
            duration_ms=segment.duration_ms,
            still=segment.still,
            stored_ms=packet.received_ms,
            state=_state(segment, job, clip),
            clip=None if clip is None else _clip(clip),
        )
        for packet, segment, job, clip in session.execute(query)
    ]
    return found[::-1]


def _state(segment: SegmentRow, job: str | None, clip: ClipRow | None) -> State:
    if clip is not None:
        return "made"
    if segment.fault is not None:
        return "failed"
    return "unasked" if job is None else _STATES.get(job, "unasked")


def _before_the_newest(session: Session, stream: Stream, now_ms: int) -> tuple[int, int]:
    """Give the (boot, sequence) before the one or two newest segments that are not too long ago."""
    newest = _candidates(session, stream, (-1, -1), 3)
    shown: list[Candidate] = []
    if newest and now_ms - newest[-1].stored_ms < STILL_LIMIT_MS:
        shown = newest[-2:]
        if newest[-1].state == "made" or judge(shown, now_ms)[0] in (Verdict.LATE, Verdict.FAIL):
            shown = newest[-1:]
    before = newest[: len(newest) - len(shown)]
    return (before[-1].boot_id, before[-1].sequence) if before else (-1, -1)


def _clip(clip: ClipRow) -> Clip:
    return Clip(clip.fingerprint, clip.video_key, clip.size)


def _row(stream: Stream, each: Fragment, more: Addition, now_ms: int) -> LiveFragmentRow:
    return LiveFragmentRow(
        camera_id=stream.camera_id,
        look=stream.look,
        number=each.number,
        packet_id=each.packet_id,
        tag=each.tag,
        piece=each.piece,
        init_id=each.init_id,
        timescale=each.timescale,
        base_ticks=each.base_ticks,
        ticks=each.ticks,
        start_ms=each.start_ms,
        era=each.era,
        stored_ms=more.stored_ms.get(each.packet_id, now_ms),
        listed_ms=now_ms,
    )
