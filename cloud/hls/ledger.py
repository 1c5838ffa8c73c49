"""What live views have shown, kept in the store: the same for every process, and after a restart.

    packets of a camera   ... 41 | 42 43 44        decided up to 41, which the camera's row in `lives` says
    live_fragments        ... 107                  and shown up to number 107

Whoever adds to a stream locks that row and looks whether it still ends where it was seen to end.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

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

    def join(self, camera_id: int, now_ms: int, idle_ms: int) -> None:
        """Have a stream begin with the newest, unless something was added within `idle_ms`."""
        with self._store.write() as session:
            # Unless it is there, or another process has just made it.
            dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
            session.execute(dialect.insert(LiveRow).values(camera_id=camera_id).on_conflict_do_nothing())
            live = session.get_one(LiveRow, camera_id, with_for_update=True)
            if live.number > 0 and now_ms - live.listed_ms < idle_ms:
                return
            live.boot_id, live.sequence = _before_the_newest(session, camera_id, now_ms)
            live.since = live.number

    def outlook(self, camera_id: int) -> Outlook | None:
        """Tell how a stream stands; None if nobody has joined it."""
        with self._store.read() as session:
            live = session.get(LiveRow, camera_id)
            if live is None:
                return None
            candidates = _candidates(session, camera_id, (live.boot_id, live.sequence), _AT_ONCE)
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
            live = session.get_one(LiveRow, seen.camera_id, with_for_update=True, populate_existing=True)
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
                session.add_all(_row(live.camera_id, each, more, now_ms) for each in more.fragments)
                old = LiveFragmentRow.number < live.number - KEPT
                session.execute(
                    delete(LiveFragmentRow).where(LiveFragmentRow.camera_id == live.camera_id, old)
                )
        return True

    def window(self, camera_id: int, most: int = WINDOW) -> list[LiveFragmentRow]:
        """Give the last entries of a stream, in order."""
        with self._store.read() as session:
            live = session.get(LiveRow, camera_id)
            if live is None:
                return []
            first = max(live.since, live.number - most)
            query = select(LiveFragmentRow).where(
                LiveFragmentRow.camera_id == camera_id, LiveFragmentRow.number >= first
            )
            return list(session.scalars(query.order_by(LiveFragmentRow.number)))

    def live(self, camera_id: int) -> LiveRow | None:
        """Give the row of a stream."""
        with self._store.read() as session:
            return session.get(LiveRow, camera_id)

    def clip(self, camera_id: int, packet_id: int, tag: str) -> Clip | None:
        """Find a camera's clip whose fingerprint begins with `tag`; None if there is none any more."""
        query = (
            select(ClipRow)
            .join(PacketRow, PacketRow.id == ClipRow.packet_id)
            .where(ClipRow.packet_id == packet_id, PacketRow.camera_id == camera_id)
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


def _candidates(session: Session, camera_id: int, after: tuple[int, int], most: int) -> list[Candidate]:
    """Read the newest live segments after (boot, sequence), in order."""
    here = tuple_(PacketRow.boot_id, PacketRow.sequence)
    query = (
        select(PacketRow, SegmentRow, JobRow.state, ClipRow)
        .join(SegmentRow, SegmentRow.packet_id == PacketRow.id)
        .outerjoin(JobRow, JobRow.packet_id == PacketRow.id)
        .outerjoin(ClipRow, ClipRow.packet_id == PacketRow.id)
        .where(PacketRow.camera_id == camera_id, here > after, PacketRow.historical.is_(False))
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


def _before_the_newest(session: Session, camera_id: int, now_ms: int) -> tuple[int, int]:
    """Give the (boot, sequence) before the one or two newest segments that are not too long ago."""
    newest = _candidates(session, camera_id, (-1, -1), 3)
    shown: list[Candidate] = []
    if newest and now_ms - newest[-1].stored_ms < STILL_LIMIT_MS:
        shown = newest[-2:]
        if newest[-1].state == "made" or judge(shown, now_ms)[0] in (Verdict.LATE, Verdict.FAIL):
            shown = newest[-1:]
    before = newest[: len(newest) - len(shown)]
    return (before[-1].boot_id, before[-1].sequence) if before else (-1, -1)


def _clip(clip: ClipRow) -> Clip:
    return Clip(clip.fingerprint, clip.video_key, clip.size)


def _row(camera_id: int, each: Fragment, more: Addition, now_ms: int) -> LiveFragmentRow:
    return LiveFragmentRow(
        camera_id=camera_id,
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
