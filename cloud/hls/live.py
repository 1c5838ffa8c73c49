"""Live views: while someone looks at a camera, its segments are rendered and put on its stream.

    viewer --GET live.m3u8--> watch --> every round: ask | show | leave out | hold --> ledger --> playlist

A round of any process does the same, so it does not matter which one a viewer reaches. A viewer who has not
fetched the playlist for a while has left; when the last one has, nothing more is asked for.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog
from sqlalchemy.orm import Session

from cloud import jobs
from cloud.access.roles import Role
from cloud.clock import Clock, wall_ms
from cloud.hls import ledger
from cloud.hls.film import Film, FilmError
from cloud.hls.films import Films
from cloud.hls.ledger import Addition, Ledger, Outlook, Stream
from cloud.hls.pace import Candidate, Clip, Verdict, holds, judge, pieces_shown
from cloud.hls.playlist import HOLD
from cloud.hls.reel import Fragment, Place, Shot, append
from cloud.lanes import Lane
from cloud.look import ONE_LOOK, Looks
from cloud.metrics.meters import Meters
from cloud.store import Store

ROUND_S = 0.2
LEFT_MS = 12_000  # players fetch the playlist every 1 to 2 s; one that is paused does not
IDLE_MS = 8_000  # a stream to which nothing was added for so long begins anew for who joins
_NEEDED_MS = 60_000  # what was asked for and is not made by then, nobody needs

log = structlog.get_logger()


@dataclass(slots=True)
class _Watched:
    """A camera that is looked at, and its playlist up to `number`.

    `wishes` are what this process asked for, and nobody else had.
    """

    path: str
    look: str
    seen_ms: int
    joined: bool = False
    number: int = -1
    fragments: Sequence[Fragment] = ()
    wishes: set[int] = field(default_factory=set)
    hastened: set[int] = field(default_factory=set)


@dataclass(slots=True)
class _Take:
    """What a round adds to a stream."""

    place: Place
    decided: tuple[int, int]
    fragments: list[Fragment] = field(default_factory=list)
    stored_ms: dict[int, int] = field(default_factory=dict)
    shown: tuple[int, str, bool] | None = None
    late: list[int] = field(default_factory=list)
    failed: int = 0
    held: int = 0


class Live:
    """The live views of one process. `watch` and `fragments` may be called by any thread, `round` by one."""

    def __init__(
        self,
        store: Store,
        films: Films,
        clock: Clock = wall_ms,
        meters: Meters | None = None,
        looks: Looks = ONE_LOOK,
    ) -> None:
        self.ledger = Ledger(store)
        self.films = films
        self._store = store
        self._clock = clock
        self._meters = meters or Meters()
        self._looks = looks
        self._watched: dict[Stream, _Watched] = {}
        self._lock = threading.Lock()
        self.ended = False  # once rounds have: nothing more is to be awaited

    def stream(self, path: str, role: Role = Role.ADMIN) -> Stream:
        """Name the stream of a camera that a role sees. Raises UnknownCameraError."""
        return Stream(self.ledger.camera_id(path), self._looks.look(path, role))

    def watch(self, path: str, role: Role = Role.ADMIN) -> Stream:
        """Note that someone looks at a camera; give the stream. Raises UnknownCameraError."""
        stream = self.stream(path, role)
        now_ms = self._clock()
        with self._lock:
            self._watched.setdefault(stream, _Watched(path, stream.look, now_ms)).seen_ms = now_ms
        return stream

    def fragments(self, stream: Stream) -> Sequence[Fragment]:
        """Give what the playlist of a stream that is watched had at the last round."""
        with self._lock:
            camera = self._watched.get(stream)
        return () if camera is None else camera.fragments

    def shown(self, stream: Stream, role: Role) -> Sequence[Fragment]:
        """Give what of that a role may see: what comes after the last that is hidden from it."""
        fragments = self.fragments(stream)
        if not fragments:
            return fragments
        shown = self.ledger.shown({each.packet_id for each in fragments}, role)
        hidden = [number for number, each in enumerate(fragments) if each.packet_id not in shown]
        return fragments[hidden[-1] + 1 :] if hidden else fragments

    def run(self, stop: threading.Event) -> None:
        """Do rounds until `stop`. Raises StoreError, ObjectsError."""
        while not stop.wait(ROUND_S):
            self.round()
        self.ended = True

    def round(self) -> None:
        """Bring the streams of all cameras that are looked at up to date."""
        now_ms = self._clock()
        with self._lock:
            watched = dict(self._watched)
            left = [number for number, camera in watched.items() if now_ms - camera.seen_ms >= LEFT_MS]
            for number in left:
                del self._watched[number]
        for number in left:
            camera = watched.pop(number)
            log.info("live view ends", camera=camera.path)
            self._withdraw(camera, camera.wishes, jobs.cancel)
        for number, camera in watched.items():
            if not camera.joined:
                log.info("live view begins", camera=camera.path)
                self.ledger.join(number, now_ms, IDLE_MS)
                camera.joined = True
            outlook = self.ledger.outlook(number)
            if outlook is not None:
                self._advance(camera, outlook, now_ms)
                self._read(number, camera)

    def _read(self, stream: Stream, camera: _Watched) -> None:
        """Have the playlist say what the ledger does."""
        live = self.ledger.live(stream)
        if live is not None and live.number != camera.number:
            rows = self.ledger.window(stream)
            camera.fragments = [ledger.fragment_of(row) for row in rows]
            camera.number = live.number

    def _advance(self, camera: _Watched, outlook: Outlook, now_ms: int) -> None:
        verdicts = judge(outlook.candidates, now_ms) if outlook.candidates else []
        self._ask(camera, outlook.candidates, verdicts, now_ms)
        live = outlook.live
        take = _Take(ledger.place_of(live), (live.boot_id, live.sequence))
        for one, verdict in zip(outlook.candidates, verdicts, strict=True):
            if verdict in (Verdict.WAIT, Verdict.ASK):
                break
            self._decide(take, one, verdict)
        if not outlook.candidates:
            self._hold(take, outlook, now_ms)
        if take.fragments or take.decided != (live.boot_id, live.sequence):
            self._add(outlook, take, camera, now_ms)

    def _add(self, outlook: Outlook, take: _Take, camera: _Watched, now_ms: int) -> None:
        addition = Addition(
            take.place, take.fragments, take.stored_ms, take.decided, take.shown, len(take.late), take.failed,
            take.held,
        )  # fmt: skip
        if not self.ledger.add(outlook.live, addition, now_ms):
            return
        for stored_ms in take.stored_ms.values():
            self._meters.live.observe(max(0, now_ms - stored_ms) / 1000)
        if take.late or take.failed:
            log.warning("live view left out", camera=camera.path, late=len(take.late), failed=take.failed)

    def _decide(self, take: _Take, one: Candidate, verdict: Verdict) -> None:
        take.decided = (one.boot_id, one.sequence)
        if verdict is Verdict.LATE:
            take.late.append(one.packet_id)
        elif one.clip is None:
            take.failed += 1
        else:
            try:
                self._show(take, one, one.clip)
            except FilmError as error:
                log.warning("clip cannot be shown", packet=one.packet_id, error=str(error))
                take.failed += 1

    def _show(self, take: _Take, one: Candidate, clip: Clip) -> None:
        film = self.films.film(clip)
        ticks = [piece.ticks for piece in film.pieces]
        first = pieces_shown(ticks, film.timescale, one, take.place.end_ms)
        begin_ms = one.start_ms + round(sum(ticks[:first]) * 1000 / film.timescale)
        self._append(take, film, one.packet_id, clip.tag, first, ticks[first:], begin_ms, one.end_ms)
        take.stored_ms[one.packet_id] = one.stored_ms
        take.shown = (one.packet_id, clip.tag, one.still)

    def _hold(self, take: _Take, outlook: Outlook, now_ms: int) -> None:
        """Show the last picture a little longer, if that is what the camera sees."""
        live = outlook.live
        if live.packet_id is None or not outlook.quiet:
            return
        if not holds(live.shown_ms, live.listed_ms, now_ms):
            return
        clip = self.ledger.clip(Stream(live.camera_id, live.look), live.packet_id, live.tag)
        if clip is None:
            return
        try:
            film, piece = (self.films.film(clip), 0) if live.still else (self.films.held(clip), HOLD)
        except FilmError as error:
            log.warning("picture cannot be held", packet=live.packet_id, error=str(error))
            return
        ticks = film.pieces[0].ticks
        begin_ms = live.end_ms
        end_ms = begin_ms + round(ticks * 1000 / film.timescale)
        self._append(take, film, live.packet_id, live.tag, piece, [ticks], begin_ms, end_ms)
        take.held = 1

    def _append(
        self,
        take: _Take,
        film: Film,
        packet_id: int,
        tag: str,
        first: int,
        ticks: Sequence[int],
        start_ms: int,
        end_ms: int,
    ) -> None:
        self.films.publish(film)
        shot = Shot(packet_id, tag, film.init_id, film.timescale, first, ticks, start_ms, end_ms)
        take.place, fragments = append(take.place, shot)
        take.fragments += fragments

    def _ask(
        self, camera: _Watched, candidates: Sequence[Candidate], verdicts: Sequence[Verdict], now_ms: int
    ) -> None:
        """Have rendered what is to be, hasten what waits already, and withdraw what is late."""
        judged = list(zip(candidates, verdicts, strict=True))
        asked = [one.packet_id for one, verdict in judged if verdict is Verdict.ASK]
        waits = [one for one, verdict in judged if verdict is Verdict.WAIT and one.state == "queued"]
        hastened = {one.packet_id for one in waits} - camera.wishes - camera.hastened
        if asked or hastened:
            with self._store.write() as session:
                for packet_id in sorted({*asked, *hastened}):
                    late_ms = now_ms + _NEEDED_MS
                    jobs.enqueue(
                        session, packet_id, now_ms, lane=Lane.LIVE, late_ms=late_ms, look=camera.look
                    )
            camera.wishes.update(asked)
            camera.hastened.update(hastened)
        late = {one.packet_id for one, verdict in judged if verdict is Verdict.LATE}
        self._withdraw(camera, late, jobs.leave_out)
        known = {one.packet_id for one in candidates}
        camera.wishes &= known
        camera.hastened &= known

    def _withdraw(
        self, camera: _Watched, packet_ids: set[int], end: Callable[[Session, int, int, str], bool]
    ) -> None:
        """Take back those of these that only this process wished for."""
        own = sorted(packet_ids & camera.wishes)
        if own:
            now_ms = self._clock()
            with self._store.write() as session:
                for packet_id in own:
                    end(session, packet_id, now_ms, camera.look)
            camera.wishes.difference_update(own)
