"""Removes packets and clips from the store, and says which objects are nobody's then.

    rows, in one transaction --commit--> objects        a crash in between leaves objects that no row names,
                                                        and `cloud.retention.orphans` finds those

Locks are taken in the order in which all others take them, boots, jobs, packets: nobody waits for who waits
for him. Whoever renders a segment that is gone finds that his lease is, too. That packets were stored stays
known: the watermark of their boot says so, and they are not stored again when someone replays them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Table, and_, bindparam, case, delete, select, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import ColumnElement

from cloud.lost import given_up_by
from cloud.registry import table_of
from cloud.retention.groups import Group, Rule, content_of
from cloud.retention.tally import Tallies
from cloud.schema import BootRow, CameraRow, ClipRow, JobRow, KeepRow, LiveFragmentRow, PacketRow, SegmentRow
from cloud.shelf import keys_of, named

LISTED_MS = 3_600_000  # how long what a live view showed stays playable, at least

_CAMERAS, _CLIPS, _PACKETS = table_of(CameraRow), table_of(ClipRow), table_of(PacketRow)


def _less(column: ColumnElement[int], name: str) -> ColumnElement[int]:
    return case((column > bindparam(name), column - bindparam(name)), else_=0)


_UPDATE_CAMERA = (
    update(_CAMERAS)
    .where(_CAMERAS.c.id == bindparam("b_id"))
    .values(
        segments=_less(_CAMERAS.c.segments, "fewer_segments"), bytes=_less(_CAMERAS.c.bytes, "fewer_bytes")
    )
)  # fmt: skip


AT_ONCE = 128  # packets in one transaction, or one group


class _Clip(NamedTuple):
    packet_id: int
    camera_id: int
    size: int
    made_ms: int
    video_key: str
    keys: frozenset[str]


@dataclass(slots=True)
class Removed:
    """What one transaction removed, and the objects that may go once it is committed.

    It has looked at `seen` groups.
    """

    tallies: Tallies = field(default_factory=Tallies)
    keys: set[str] = field(default_factory=set)
    seen: int = 0

    def note(self, session: Session, clips: Iterable[_Clip]) -> None:
        """Count clips whose rows are gone, and their objects, but for those that other rows name too."""
        for clip in clips:
            tally = self.tallies.of(clip.camera_id)
            tally.clips += 1
            tally.clip_bytes += clip.size
            self.keys |= clip.keys
        self.keys -= named(session, self.keys)


def remove_groups(session: Session, groups: Sequence[Group], rule: Rule) -> Removed:
    """Remove those of the first few groups that may go, with all that hangs on them."""
    removed = Removed()
    boots = sorted({group.boot_id for group in groups})
    # Who stores or derives packets of these waits, and sees all or nothing of it.
    session.scalars(
        select(BootRow.id).where(BootRow.id.in_(boots)).order_by(BootRow.id).with_for_update()
    ).all()
    going = list[int]()
    for group in groups:
        removed.seen += 1
        content = content_of(session, group, rule)
        if content is not None:
            going.extend(content.packet_ids)
            removed.tallies.of(group.camera_id).add(content)
        if len(going) >= AT_ONCE:
            break
    if going:
        removed.note(session, delete_packets(session, going))
        count_down(session, removed.tallies, _delete_gaps(session, boots))
    return removed


def remove_clips(session: Session, clips: Mapping[int, int], now_ms: int) -> Removed:
    """Remove clips, by packet and when they were made: not those made anew, kept, or just shown live.

    Their jobs stay as they are: a segment that is done and has no clip may be asked for again.
    """
    removed, ids = Removed(), sorted(clips)
    _lock_jobs(session, ids)
    spared = spared_clips(session, ids, now_ms)
    going = [
        clip
        for clip in _clips_of(session, ids)
        if clip.made_ms == clips[clip.packet_id] and clip.packet_id not in spared
    ]
    videos = [clip.video_key for clip in going]
    session.connection().execute(
        delete(_CLIPS).where(_CLIPS.c.packet_id.in_(ids), _CLIPS.c.video_key.in_(videos))
    )
    removed.note(session, going)
    return removed


def spared_clips(session: Session, packet_ids: Sequence[int], now_ms: int) -> set[int]:
    """Give those of the clips that have to stay: in an interval that is kept, or shown live just now."""
    overlaps = (
        KeepRow.camera_id == SegmentRow.camera_id,
        KeepRow.from_ms < SegmentRow.start_ms + SegmentRow.duration_ms,
        KeepRow.to_ms > SegmentRow.start_ms,
    )
    kept = select(SegmentRow.packet_id).join(KeepRow, and_(*overlaps))
    listed = select(LiveFragmentRow.packet_id).where(LiveFragmentRow.listed_ms >= now_ms - LISTED_MS)
    return {
        *session.scalars(kept.where(SegmentRow.packet_id.in_(packet_ids))),
        *session.scalars(listed.where(LiveFragmentRow.packet_id.in_(packet_ids))),
    }


def delete_packets(session: Session, packet_ids: Sequence[int], but: int | None = None) -> list[_Clip]:
    """Delete packets, all `but` one, and what is derived from them; give their clips."""
    _lock_jobs(session, packet_ids)
    session.scalars(
        select(PacketRow.id).where(PacketRow.id.in_(packet_ids)).order_by(PacketRow.id).with_for_update()
    ).all()
    clips = _clips_of(session, packet_ids)
    for kind in (JobRow, ClipRow, SegmentRow):
        _delete(session, table_of(kind), packet_ids)
    going = [packet_id for packet_id in packet_ids if packet_id != but]
    session.connection().execute(delete(_PACKETS).where(_PACKETS.c.id.in_(going)))
    return clips


def _clips_of(session: Session, packet_ids: Sequence[int]) -> list[_Clip]:
    query = select(ClipRow, PacketRow.camera_id).join(PacketRow, PacketRow.id == ClipRow.packet_id)
    return [
        _Clip(clip.packet_id, camera_id, clip.size, clip.made_ms, clip.video_key, frozenset(keys_of(clip)))
        for clip, camera_id in session.execute(query.where(ClipRow.packet_id.in_(packet_ids)))
    ]


def _delete_gaps(session: Session, boots: Sequence[int]) -> dict[int, int]:
    """Delete the gap records that lie before all packets of their boot; give their bytes by camera."""
    sizes = dict[int, int]()
    for boot_id in boots:
        of_boot = (PacketRow.boot_id == boot_id,)
        first = session.scalar(
            select(PacketRow.sequence).where(*of_boot, PacketRow.gap.is_(False))
            .order_by(PacketRow.sequence).limit(1)
        )  # fmt: skip
        columns = (PacketRow.id, PacketRow.camera_id, PacketRow.size, PacketRow.body)
        records = session.execute(select(*columns).where(*of_boot, PacketRow.gap)).all()
        over = [row for row in records if first is None or given_up_by(row.body)[1] < first]
        if over:
            session.connection().execute(delete(_PACKETS).where(_PACKETS.c.id.in_([row.id for row in over])))
        for row in over:
            sizes[row.camera_id] = sizes.get(row.camera_id, 0) + row.size
    return sizes


def count_down(session: Session, tallies: Tallies, gap_sizes: Mapping[int, int]) -> None:
    """Have cameras count no more what is gone."""
    values = [
        {
            "b_id": camera_id,
            "fewer_segments": tallies.of(camera_id).packets,
            "fewer_bytes": tallies.of(camera_id).packet_bytes + gap_sizes.get(camera_id, 0),
        }
        for camera_id in sorted({*tallies.cameras, *gap_sizes})
    ]
    session.connection().execute(_UPDATE_CAMERA, values)


def _lock_jobs(session: Session, packet_ids: Sequence[int]) -> None:
    of_these = select(JobRow.packet_id).where(JobRow.packet_id.in_(packet_ids))
    session.scalars(of_these.order_by(JobRow.packet_id).with_for_update()).all()


def _delete(session: Session, table: Table, packet_ids: Sequence[int]) -> None:
    session.connection().execute(delete(table).where(table.c.packet_id.in_(packet_ids)))
