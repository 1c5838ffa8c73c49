"""What was seen in an interval, as a playlist that grows while it is rendered and then ends.

segments   | made | made | waits | made |        listed: the first two; the third is asked for
                                                 once nothing waits any more, the list ends
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import and_, select

from cloud import jobs
from cloud.access.roles import Role
from cloud.clock import Clock, wall_ms
from cloud.hls.film import FilmError
from cloud.hls.films import Films
from cloud.hls.ledger import Stream
from cloud.hls.pace import Clip
from cloud.hls.reel import Fragment, Place, Shot, append
from cloud.lanes import Lane
from cloud.schema import ClipRow, JobRow, PacketRow, SegmentRow
from cloud.store import Store
from cloud.viewing import Charge, free

MOST = 450  # segments of an interval: a quarter of an hour that moves, hours that do not
_OPEN = ("queued", "running")
_OVER = ("dead", "cancelled")

_Row = tuple[SegmentRow, str | None, ClipRow | None]


class IntervalError(ValueError):
    """An interval that cannot be shown; the message says why."""


@dataclass(frozen=True, slots=True)
class Recording:
    """What is there of an interval so far: `whole` if nothing more will come."""

    fragments: Sequence[Fragment]
    whole: bool


class Recorded:
    """Shows intervals of cameras of at most `most` segments, asking for what is not rendered yet.

    Safe to share between threads.
    """

    def __init__(self, store: Store, films: Films, clock: Clock = wall_ms, most: int = MOST) -> None:
        self._store = store
        self._films = films
        self._clock = clock
        self._most = most

    def recording(
        self, stream: Stream, from_ms: int, to_ms: int, charge: Charge = free, role: Role = Role.VIEWER
    ) -> Recording:
        """Give what a stream's segments show that touch an interval. Raises IntervalError, ObjectsError.

        What their senders hide from `role` is not there.
        `charge` is told how many clips have to be made, before they are asked for.
        """
        rows = self._rows(stream, from_ms, to_ms, role)
        asked: list[int] = []
        place, fragments, whole = Place(), list[Fragment](), True
        for segment, state, clip in rows:
            if clip is not None:
                if whole:
                    place, more = self._append(place, segment, clip)
                    fragments += more
            elif segment.fault is None and state not in _OVER:
                whole = False
                asked.append(segment.packet_id)
        self._ask(asked, charge, stream.look)
        return Recording(fragments, whole)

    def _append(self, place: Place, segment: SegmentRow, clip: ClipRow) -> tuple[Place, list[Fragment]]:
        try:
            film = self._films.film(Clip(clip.fingerprint, clip.video_key, clip.size))
        except FilmError:
            return place, []  # left out, as one that failed
        self._films.publish(film)
        shot = Shot(
            packet_id=segment.packet_id,
            tag=clip.fingerprint,
            init_id=film.init_id,
            timescale=film.timescale,
            first=0,
            ticks=[piece.ticks for piece in film.pieces],
            start_ms=segment.start_ms,
            end_ms=segment.start_ms + segment.duration_ms,
        )
        return append(place, shot)

    def _rows(self, stream: Stream, from_ms: int, to_ms: int, role: Role) -> list[_Row]:
        if to_ms <= from_ms:
            raise IntervalError(f"to_ms is {to_ms}, expected more than from_ms {from_ms}")
        query = (
            select(SegmentRow, JobRow.state, ClipRow)
            .join(PacketRow, PacketRow.id == SegmentRow.packet_id)
            .outerjoin(JobRow, and_(JobRow.packet_id == SegmentRow.packet_id, JobRow.look == stream.look))
            .outerjoin(ClipRow, and_(ClipRow.packet_id == SegmentRow.packet_id, ClipRow.look == stream.look))
            # The first bound is for the index: no segment is longer than a minute.
            .where(SegmentRow.camera_id == stream.camera_id, SegmentRow.start_ms > from_ms - 65_536)
            .where(SegmentRow.viewers <= role)
            .where(SegmentRow.start_ms < to_ms, SegmentRow.start_ms + SegmentRow.duration_ms > from_ms)
            .order_by(SegmentRow.start_ms, SegmentRow.packet_id)
            .limit(self._most + 1)
        )
        with self._store.read() as session:
            rows: list[_Row] = [(segment, state, clip) for segment, state, clip in session.execute(query)]
        if len(rows) > self._most:
            raise IntervalError(f"more than {self._most} segments between {from_ms} and {to_ms}")
        return rows

    def _ask(self, packet_ids: Sequence[int], charge: Charge, look: str) -> None:
        """Have rendered, as an event is, what nobody has asked for."""
        if not packet_ids:
            return
        now_ms = self._clock()
        known = select(JobRow.packet_id).where(
            JobRow.packet_id.in_(packet_ids), JobRow.state.in_(_OPEN), JobRow.lane <= int(Lane.EVENT),
            JobRow.look == look,
        )  # fmt: skip
        with self._store.read() as session:
            missing = sorted(set(packet_ids) - set(session.scalars(known)))
        if missing:
            charge(len(missing))
            with self._store.write() as session:
                for packet_id in missing:
                    jobs.enqueue(session, packet_id, now_ms, lane=Lane.EVENT, look=look)
