"""What would go if it were pruned now. Nothing is changed, nobody waits."""

from collections.abc import Mapping, Sequence

from sqlalchemy import func, select

from cloud.config import Retention
from cloud.objects import Objects
from cloud.quarantine import beyond
from cloud.retention.demanded import expired
from cloud.retention.groups import Content, Group, Rule, content_of
from cloud.retention.orphans import orphans
from cloud.retention.removal import spared_clips
from cloud.retention.tally import Tallies
from cloud.retention.walk import DAY_MS, Walk
from cloud.schema import ClipRow, PacketRow
from cloud.store import Store

_MOST = 10_000_000  # expired packets that are weighed


def forecast(store: Store, objects: Objects, limits: Retention, now_ms: int) -> Tallies:
    """Count what is over a limit. Raises StoreError, ObjectsError."""
    weighing = _Weighing(store, now_ms)
    walk = Walk(store, limits, now_ms, weighs=True)
    walk.packets(weighing.packets)
    weighing.expired()
    gone = {camera_id: tally.clip_bytes for camera_id, tally in weighing.tallies.cameras.items()}
    walk.clips(weighing.clips, gone)
    before_ms = 0 if limits.quarantine_days is None else now_ms - round(limits.quarantine_days * DAY_MS)
    with store.read() as session:
        messages = beyond(session, limits.quarantine_bytes, before_ms)
    found = [each for some in orphans(store, objects, now_ms) for each in some]
    return Tallies(
        weighing.tallies.cameras,
        messages=len(messages),
        message_bytes=sum(size for _, size in messages),
        orphans=len(found),
        orphan_bytes=sum(each.size for each in found),
    )


class _Weighing:
    """Settles by weighing; what comes again, as it was not removed, counts once."""

    def __init__(self, store: Store, now_ms: int) -> None:
        self.tallies = Tallies()
        self._store = store
        self._now_ms = now_ms
        self._groups = set[Group]()
        self._clips_gone = set[int]()
        self._packets_gone = set[int]()

    def packets(self, groups: Sequence[Group], rule: Rule) -> Tallies:
        part = Tallies()
        with self._store.read() as session:
            for group in groups:
                content = None if group in self._groups else content_of(session, group, rule)
                if content is None:
                    continue
                self._groups.add(group)
                self._packets_gone.update(content.packet_ids)
                tally = part.of(group.camera_id)
                tally.add(content)
                clips = select(func.count(), func.sum(ClipRow.size)).where(
                    ClipRow.packet_id.in_(content.packet_ids)
                )
                count, size = session.execute(clips).one()
                tally.clips, tally.clip_bytes = tally.clips + count, tally.clip_bytes + int(size or 0)
                self._clips_gone.update(content.packet_ids if count else ())
        self.tallies.take(part)
        return part

    def expired(self) -> None:
        """Weigh what senders want gone, and no limit takes."""
        with self._store.read() as session:
            for row in expired(session, self._now_ms, _MOST):
                if row.id not in self._packets_gone:
                    tally = self.tallies.of(row.camera_id)
                    tally.add(Content((row.id,), row.size))
                    for size in session.scalars(select(ClipRow.size).where(ClipRow.packet_id == row.id)):
                        tally.clips, tally.clip_bytes = tally.clips + 1, tally.clip_bytes + size
                        self._clips_gone.add(row.id)

    def clips(self, clips: Mapping[int, int]) -> Tallies:
        part = Tallies()
        columns = (ClipRow.packet_id, PacketRow.camera_id, ClipRow.size, ClipRow.made_ms)
        query = select(*columns).join(PacketRow, PacketRow.id == ClipRow.packet_id)
        with self._store.read() as session:
            spared = spared_clips(session, list(clips), self._now_ms) | self._clips_gone
            rows = session.execute(query.where(ClipRow.packet_id.in_(clips)))
            for packet_id, camera_id, size, made_ms in rows:
                if packet_id not in spared and made_ms == clips[packet_id]:
                    tally = part.of(camera_id)
                    tally.clips += 1
                    tally.clip_bytes += size
        self.tallies.take(part)
        return part
