"""What goes, or would: added up by camera."""

from dataclasses import dataclass, field

from cloud.retention.groups import Content


@dataclass(slots=True)
class Tally:
    """What goes of one camera; `packet_bytes` with their envelopes, `clip_bytes` of the films alone."""

    packets: int = 0
    packet_bytes: int = 0
    clips: int = 0
    clip_bytes: int = 0

    def add(self, content: Content) -> None:
        """Count a group of packets."""
        self.packets += len(content.packet_ids)
        self.packet_bytes += content.size


@dataclass(slots=True)
class Tallies:
    """What goes of all, by camera (row id); of the quarantine, messages; of what no clip names, objects."""

    cameras: dict[int, Tally] = field(default_factory=dict)
    messages: int = 0
    message_bytes: int = 0
    orphans: int = 0
    orphan_bytes: int = 0

    def of(self, camera_id: int) -> Tally:
        """Give the tally of a camera, to be added to."""
        return self.cameras.setdefault(camera_id, Tally())

    def take(self, more: "Tallies") -> None:
        """Add what another one counted."""
        for camera_id, each in more.cameras.items():
            tally = self.of(camera_id)
            tally.packets += each.packets
            tally.packet_bytes += each.packet_bytes
            tally.clips += each.clips
            tally.clip_bytes += each.clip_bytes
        self.messages += more.messages
        self.message_bytes += more.message_bytes
        self.orphans += more.orphans
        self.orphan_bytes += more.orphan_bytes

    def count(self) -> int:
        """Count all things that go."""
        of_cameras = sum(each.packets + each.clips for each in self.cameras.values())
        return of_cameras + self.messages + self.orphans
