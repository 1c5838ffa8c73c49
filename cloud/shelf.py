"""The clips that were made: rows and objects, put there and thrown away together.

    objects --> row, and the job is done --> what the row before named goes, and the camera's oldest tails

Of a segment there may be several, one for each look of its camera (`cloud.looks`).

An object is named by fingerprint and fence, so no two workers ever write the same one, and what lies there is
nobody's until a row names it. That row is written in the transaction that closes the job, which only the
holder of the current fence can: the clip is published once, whole, or not at all. A crash in between leaves
objects that no row names, never a row without its objects; who does the job next removes them.

A degraded clip falls short of what was asked for, and says so: its fingerprint is its own, and `wanted` is
that of the full one. It stands in for that for a while, so that lack of memory does not cost a rendering at
every look; who asks after that has it rendered anew.
"""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path, PurePosixPath

import structlog
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from cloud.catalog import camera_path, poster_key, tail_key, video_key
from cloud.leases import Lease, LeaseLostError
from cloud.objects import MissingObjectError, Objects, ObjectsError
from cloud.render.clip import fingerprint
from cloud.schema import CameraRow, ClipRow, DeviceRow, PacketRow
from cloud.store import Store

KEPT_TAILS = 8  # of a camera: who looks at live and at past scenes in turn goes on in both
STANDS_IN_MS = 3_600_000  # how long a degraded clip is taken for the full one
_AT_ONCE = 100  # tails thrown away after one clip; more only where an older version kept them all

log = structlog.get_logger()

# Closes the job whose clip has this fingerprint, or raises LeaseLostError.
Close = Callable[[Session, str], None]
Announce = Callable[[Session, ClipRow], None]


def unannounced(_session: Session, _clip: ClipRow) -> None:
    """Tell nobody of a clip."""


def one_look(_camera: str) -> Collection[str]:
    """Know one look only."""
    return ("",)


class Shelf:
    """Keeps the clips of one store and its objects; safe to share, and to use from many processes.

    `announce` is told of each clip in the transaction that makes it visible. `looks` tells how a camera may
    be seen: clips of a segment that are of none of these go when another one is made.
    """

    def __init__(
        self,
        store: Store,
        objects: Objects,
        announce: Announce = unannounced,
        looks: Callable[[str], Collection[str]] = one_look,
    ) -> None:
        self._store = store
        self._objects = objects
        self._announce = announce
        self._looks = looks

    def holds(self, key: tuple[int, str], statement: Mapping[str, object], now_ms: int) -> str | None:
        """Give the fingerprint of the clip of this statement, or of what stands in for it, if it is whole.

        `key` is its packet and look.
        """
        with self._store.read() as session:
            clip = session.get(ClipRow, key)
        if clip is None or is_outdated(clip, now_ms):
            return None
        same = fingerprint(statement) in (clip.fingerprint, clip.wanted) and is_whole(self._objects, clip)
        return clip.fingerprint if same else None

    def put(self, row: ClipRow, sources: Mapping[str, Path | bytes], lease: Lease, close: Close) -> None:
        """Keep a clip, `sources` by key, in place of the one that was there, and `close` its job.

        Raises ObjectsError, and LeaseLostError where the job is no longer this worker's: then nothing stays.
        Where the store fails, nobody knows whether the row is there, so the objects stay.
        """
        self._objects.put_all(sources)
        try:
            with self._store.write() as session:
                close(session, row.fingerprint)
                old = self._make_room(session, row)
                session.merge(row)
                session.flush()
                self._announce(session, row)
                old |= _left_over(row.fingerprint, lease)
                old -= named(session, old)
        except LeaseLostError:
            self._remove(sources)
            raise
        self._remove(old)
        self._drop_tails(row.packet_id)

    def _make_room(self, session: Session, row: ClipRow) -> set[str]:
        """Throw away the clips of a segment that nobody sees any more, and name their objects."""
        known = self._known_looks(session, row)
        old = set[str]()
        for clip in session.scalars(select(ClipRow).where(ClipRow.packet_id == row.packet_id)).all():
            if clip.look == row.look:
                old |= keys_of(clip) - keys_of(row)
            elif clip.look not in known:
                old |= keys_of(clip)
                session.delete(clip)
        return old

    def _known_looks(self, session: Session, row: ClipRow) -> Collection[str]:
        """Name what a segment may be asked for as."""
        device = (
            select(DeviceRow, CameraRow)
            .join(CameraRow, CameraRow.device_id == DeviceRow.id)
            .join(PacketRow, PacketRow.camera_id == CameraRow.id)
        )
        found = session.execute(device.where(PacketRow.id == row.packet_id)).one_or_none()
        return () if found is None else self._looks(camera_path(*found))

    def _drop_tails(self, packet_id: int) -> None:
        """Throw away what clips of this camera left for the next ones, but for the last few made."""
        with self._store.read() as session:
            camera_id = session.scalar(select(PacketRow.camera_id).where(PacketRow.id == packet_id))
            query = (
                select(ClipRow.tail_key)
                .join(PacketRow, PacketRow.id == ClipRow.packet_id)
                .where(PacketRow.camera_id == camera_id, ClipRow.tail_key.is_not(None))
                .order_by(ClipRow.made_ms.desc(), ClipRow.packet_id.desc())
            )
            found = session.scalars(query.offset(KEPT_TAILS).limit(_AT_ONCE)).all()
        dropped = {key for key in found if key is not None}
        if not dropped or not self._remove(dropped):
            return
        with self._store.write() as session:
            session.execute(update(ClipRow).where(ClipRow.tail_key.in_(dropped)).values(tail_key=None))

    def _remove(self, keys: Collection[str]) -> bool:
        """Remove objects; what cannot be removed is logged, and costs nothing but room."""
        try:
            self._objects.remove(keys)
        except ObjectsError as error:
            log.warning("objects of older clips stay", error=str(error))
            return False
        return True


def is_outdated(clip: ClipRow, now_ms: int) -> bool:
    """Tell whether a degraded clip has stood in for the full one long enough."""
    return clip.wanted is not None and now_ms - clip.made_ms >= STANDS_IN_MS


def is_whole(objects: Objects, clip: ClipRow) -> bool:
    """Tell whether a clip's video is there: someone may have emptied the folder."""
    try:
        return objects.size(clip.video_key) == clip.size
    except MissingObjectError:
        return False


def keys_of(clip: ClipRow) -> set[str]:
    """Name the objects of a clip."""
    return {key for key in (clip.video_key, clip.poster_key, clip.tail_key) if key is not None}


def named(session: Session, keys: Collection[str]) -> set[str]:
    """Give those of `keys` that a row still names: one of the fingerprint that they begin with."""
    made = {PurePosixPath(key).stem.partition("-")[0] for key in keys}
    rows = session.scalars(select(ClipRow).where(ClipRow.fingerprint.in_(made)))
    return {key for row in rows for key in keys_of(row)}.intersection(keys)


def _left_over(made: str, lease: Lease) -> set[str]:
    """Name what those who tried this job before may have put there, and could not publish."""
    names = [f"{made}-{fence}" for fence in range(_first_fence(lease), lease.fence)]
    return {key(name) for name in names for key in (video_key, poster_key, tail_key)}


def _first_fence(lease: Lease) -> int:
    # Each attempt took one, and each that was reclaimed another.
    return max(lease.fence - 2 * (lease.attempt - 1), 1)
