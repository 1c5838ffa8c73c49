"""Acknowledgements to devices: what they say, and how often. Pure but for the session.

The device frees its spool by them, so they follow the commit, never precede it. They go over metered
links, so they are gathered: the first after a pause goes out soon, the next ones an interval apart.
"""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cloud.schema import BootRow, DeviceRow, PacketRow
from cloud.watermark import Watermark
from wire.documents import Ack
from wire.topics import DeviceTopics

GATHER_MS = 200  # a burst of packets is acknowledged once
JUST_NOW_MS = 60_000
BIRTH_PATIENCE_MS = 600_000  # from the first packet on; its device may have lost the birth
MAX_BOOTS = 16  # earlier boots whose backlog came since the current one began


class AckPace:
    """Says when which device is to be answered; times are arguments."""

    def __init__(self, interval_ms: int) -> None:
        self._interval_ms = interval_ms
        self._owed: dict[int, int] = {}
        self._sent: dict[int, int] = {}

    def owe(self, device_id: int, now_ms: int) -> None:
        """Something of this device was stored, or it asked again for what is."""
        self._owed.setdefault(device_id, now_ms)

    def due(self, now_ms: int, *, hurry: bool = False) -> list[int]:
        """Give the devices to answer now, and count them as answered; all that wait in a `hurry`."""
        due = [device_id for device_id in self._owed if hurry or now_ms >= self._time_of(device_id)]
        for device_id in due:
            del self._owed[device_id]
            self._sent[device_id] = now_ms
        return due

    def _time_of(self, device_id: int) -> int:
        gathered_ms = self._owed[device_id] + GATHER_MS
        sent_ms = self._sent.get(device_id)
        return gathered_ms if sent_ms is None else max(gathered_ms, sent_ms + self._interval_ms)


def ack_of(session: Session, device_id: int, now_ms: int) -> tuple[str, Ack]:
    """Give topic and content of a device's acknowledgement, as the store has it now.

    It names the current boot, and those of which packets came since that began. Where the clock was set back
    meanwhile, it names those of which packets came just now: the device waits to hear of them. A boot whose
    birth is missing has to wait: the device sends that once more with the packets, and never after them.
    """
    device = session.get_one(DeviceRow, device_id)
    boots = session.scalars(
        select(BootRow)
        .where(BootRow.device_id == device_id, BootRow.highest >= 0)
        .order_by(BootRow.boot_hex != device.boot_hex, func.abs(BootRow.changed_ms - now_ms))
        .limit(MAX_BOOTS)
    ).all()
    since_ms = next((boot.born_ms for boot in boots if boot.boot_hex == device.boot_hex), None) or 0
    if now_ms < since_ms - JUST_NOW_MS:
        since_ms = now_ms - JUST_NOW_MS
    claims = {}
    for boot in boots:
        claim = Watermark.parse(boot.highest, boot.holes).acknowledged()
        is_meant = boot.changed_ms >= since_ms or boot.boot_hex == device.boot_hex
        if claim is not None and is_meant and not _awaits_birth(session, boot, now_ms):
            claims[boot.boot_hex] = claim
    return DeviceTopics(device.tenant, device.site, device.name).ack, Ack(claims, now_ms)


def _awaits_birth(session: Session, boot: BootRow, now_ms: int) -> bool:
    """Tell whether a boot's packets have overtaken its birth, which is then still to come."""
    if boot.birth is not None:
        return False
    first_ms = session.scalar(select(func.min(PacketRow.received_ms)).where(PacketRow.boot_id == boot.id))
    return first_ms is not None and abs(now_ms - first_ms) < BIRTH_PATIENCE_MS
