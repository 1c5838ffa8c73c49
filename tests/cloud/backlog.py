"""Packets without content, for tests of the queue: it asks no more of them than their camera."""

from cloud.schema import BootRow, CameraRow, DeviceRow, PacketRow
from cloud.store import Store

NOW_MS = 1_790_000_000_000


def file_packets(store: Store, *cameras: int) -> list[int]:
    """Store a packet of camera N for each number, and give their ids in that order."""
    with store.write() as session:
        device = DeviceRow(tenant="acme", site="north", name="jetson-1", seen_ms=0)
        session.add(device)
        session.flush()
        boot = BootRow(device_id=device.id, boot_hex="a" * 16, changed_ms=0)
        rows = {number: CameraRow(device_id=device.id, name=f"cam-{number}") for number in cameras}
        session.add_all([boot, *rows.values()])
        session.flush()
        packets = [_packet(boot.id, rows[number].id, index) for index, number in enumerate(cameras)]
        session.add_all(packets)
        session.flush()
        return [packet.id for packet in packets]


def _packet(boot_id: int, camera_id: int, sequence: int) -> PacketRow:
    return PacketRow(
        boot_id=boot_id, camera_id=camera_id, sequence=sequence, refresh=True, historical=False, gap=False,
        size=1, body=b"\0", received_ms=0,
    )  # fmt: skip
