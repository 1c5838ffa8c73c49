"""Finds what is over a limit, the oldest first, in pieces that one transaction removes.

    packets   by age: in the order in which they were stored     by bytes: in the order of each camera
    clips     in the order in which they were made, of all cameras at once

What is found is settled by the caller, who removes it or only weighs it, and says what that was.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from sqlalchemy import bindparam, func, select, tuple_
from sqlalchemy.orm import Session

from cloud.config import Retention
from cloud.registry import table_of
from cloud.retention.groups import Group, Place, Rule, content_of, groups_of
from cloud.retention.tally import Tallies
from cloud.schema import CameraRow, ClipRow, PacketRow
from cloud.store import Store

DAY_MS = 86_400_000
_AT_ONCE = 256  # packets, or clips, looked at in one query

_PACKETS, _CLIPS = table_of(PacketRow), table_of(ClipRow)
_PLACE = (_PACKETS.c.camera_id, _PACKETS.c.boot_id, _PACKETS.c.sequence)
_OLDEST = (
    select(_PACKETS.c.id, _PACKETS.c.received_ms, *_PLACE)
    .where(_PACKETS.c.id > bindparam("after"), _PACKETS.c.gap.is_(False))
    .order_by(_PACKETS.c.id)
    .limit(_AT_ONCE)
)
_OF_CAMERA = (
    select(*_PLACE)
    .where(_PACKETS.c.camera_id == bindparam("camera_id"), _PACKETS.c.gap.is_(False))
    .where(
        tuple_(_PACKETS.c.boot_id, _PACKETS.c.sequence) > tuple_(bindparam("boot_id"), bindparam("sequence"))
    )
    .order_by(_PACKETS.c.boot_id, _PACKETS.c.sequence)
    .limit(_AT_ONCE)
)
_MADE = (
    select(_CLIPS.c.made_ms, _CLIPS.c.packet_id, _CLIPS.c.size, _PACKETS.c.camera_id)
    .join(_PACKETS, _PACKETS.c.id == _CLIPS.c.packet_id)
    .where(
        tuple_(_CLIPS.c.made_ms, _CLIPS.c.packet_id) > tuple_(bindparam("made_ms"), bindparam("packet_id"))
    )
    .order_by(_CLIPS.c.made_ms, _CLIPS.c.packet_id)
    .limit(_AT_ONCE)
)

SettleGroups = Callable[[Sequence[Group], Rule], Tallies]
SettleClips = Callable[[Mapping[int, int]], Tallies]  # by packet, when they were made


class _Made(NamedTuple):
    made_ms: int
    packet_id: int
    size: int
    camera_id: int


@dataclass(slots=True)
class Progress:
    """What the next walk need not look at again: old packets up to row `after`, and cameras that are `stuck`.

    What had to stay may go later, so it is forgotten now and then.
    """

    after: int = 0
    stuck: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Walk:
    """Walks over a store as it is at `now_ms`, from its `progress` on. Not `aged`, nothing goes for its age.

    `weighs` says that what is settled stays where it is.
    """

    store: Store
    limits: Retention
    now_ms: int
    aged: bool = True
    weighs: bool = False
    progress: Progress = field(default_factory=Progress)

    def packets(self, settle: SettleGroups) -> None:
        """Settle the packets that are too old, then those that are too many."""
        gone = Counter[int]()
        if self.limits.packets_days is not None and self.aged:
            rule = Rule(self.now_ms, self._before(self.limits.packets_days))
            for groups in self._aged_groups(rule.before_ms or 0):
                settled = settle(groups, rule)
                if self.weighs:
                    gone.update({camera: tally.packet_bytes for camera, tally in settled.cameras.items()})
        if self.limits.packets_bytes_per_camera is not None:
            for camera_id, excess in self._excess(self.limits.packets_bytes_per_camera, gone):
                if camera_id not in self.progress.stuck and not self._shorten(camera_id, excess, settle):
                    self.progress.stuck.add(camera_id)

    def clips(self, settle: SettleClips, gone: Mapping[int, int] = MappingProxyType({})) -> None:
        """Settle the clips that are too old, and those that are too many of a camera.

        `gone` are bytes of clips that went with their packets, by camera, as far as they are still there.
        """
        days, most = self.limits.clips_days, self.limits.clips_bytes_per_camera
        if days is None and most is None:
            return
        before_ms = self._before(days) if days is not None and self.aged else 0
        excess = Counter[int]() if most is None else self._excess_clips(most)
        excess.subtract(gone)
        for rows in self._clips():
            found = dict[int, int]()
            planned = excess.copy()
            for row in rows:
                goes = row.made_ms < before_ms or planned[row.camera_id] > 0
                if goes and row.packet_id not in found:  # another one, for others, goes the next time
                    found[row.packet_id] = row.made_ms
                    planned[row.camera_id] -= row.size
            if found:
                for camera_id, tally in settle(found).cameras.items():
                    excess[camera_id] -= tally.clip_bytes
            if rows[-1].made_ms >= before_ms and not any(each > 0 for each in excess.values()):
                return

    def _before(self, days: float) -> int:
        return self.now_ms - round(days * DAY_MS)

    def _aged_groups(self, before_ms: int) -> Iterator[list[Group]]:
        """Give the groups of old packets, until a whole batch has none; some may be given again.

        What bears a time that is still to come was stored by a clock that was wrong, and ends nothing.
        """
        after, settled = self.progress.after, True
        while True:
            with self.store.read() as session:
                rows = session.execute(_OLDEST, {"after": after}).all()
                old = [Place(*row[2:]) for row in rows if row.received_ms < before_ms]
                groups = groups_of(session, old)
            if groups:
                yield groups
            elif not any(row.received_ms > self.now_ms + DAY_MS for row in rows):
                return
            after = rows[-1].id
            settled = settled and len(old) == len(rows)
            if settled:
                self.progress.after = after

    def _excess(self, most: int, gone: Mapping[int, int]) -> list[tuple[int, int]]:
        """Give the cameras that have too much, and by how much; some of that may be `gone`."""
        query = select(CameraRow.id, CameraRow.bytes).where(CameraRow.bytes > most).order_by(CameraRow.id)
        with self.store.read() as session:
            found = session.execute(query).all()
        return [(camera_id, count - most - gone.get(camera_id, 0)) for camera_id, count in found]

    def _shorten(self, camera_id: int, excess: int, settle: SettleGroups) -> bool:
        """Settle a camera's oldest groups until it has `excess` bytes less; False if too many must stay."""
        rule, after = Rule(self.now_ms), (-1, -1)
        while excess > 0:
            with self.store.read() as session:
                groups = _first(session, rule, _groups_after(session, camera_id, after), excess)
            if not groups:
                return False
            excess -= settle(groups, rule).of(camera_id).packet_bytes
            after = (groups[-1].boot_id, groups[-1].end - 1)
        return True

    def _excess_clips(self, most: int) -> Counter[int]:
        sums = (
            select(PacketRow.camera_id, func.sum(ClipRow.size))
            .join(PacketRow, PacketRow.id == ClipRow.packet_id)
            .group_by(PacketRow.camera_id)
        )
        with self.store.read() as session:
            return Counter({camera_id: int(size) - most for camera_id, size in session.execute(sums)})

    def _clips(self) -> Iterator[list[_Made]]:
        after = (-1, -1)
        while True:
            with self.store.read() as session:
                found = session.execute(_MADE, {"made_ms": after[0], "packet_id": after[1]})
                rows = [_Made(*row) for row in found]
            if not rows:
                return
            yield rows
            after = (rows[-1].made_ms, rows[-1].packet_id)


def _groups_after(session: Session, camera_id: int, after: tuple[int, int]) -> list[Group]:
    place = {"camera_id": camera_id, "boot_id": after[0], "sequence": after[1]}
    return groups_of(session, (Place(*row) for row in session.execute(_OF_CAMERA, place)))


def _first(session: Session, rule: Rule, groups: Sequence[Group], excess: int) -> list[Group]:
    """Give so many of the groups that `excess` bytes go with them."""
    chosen = list[Group]()
    for group in groups:
        if excess <= 0:
            break
        chosen.append(group)
        content = content_of(session, group, rule)
        excess -= 0 if content is None else content.size
    return chosen
