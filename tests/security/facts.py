"""What a store holds of its devices, to be compared before and after an attack."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import func, select

from cloud.schema import (
    BootRow,
    CameraRow,
    DeviceRow,
    KeyRow,
    PacketRow,
    PendingRow,
    QuarantineRow,
    TelemetryRow,
)
from cloud.store import Store

_PUT_AWAY = (QuarantineRow, PendingRow)


@dataclass(frozen=True)
class Facts:
    """What the store holds of its devices."""

    packets: Mapping[tuple[str, str, int], bytes]  # device, boot and sequence: camera and body
    births: Mapping[tuple[str, str], bytes | None]  # device and boot
    current: Mapping[str, str | None]  # boot by device
    cameras: Mapping[tuple[str, str], tuple[int | None, int | None, float | None]]
    keys: Mapping[tuple[str, str], tuple[int, ...]]  # ids of device and boot
    records: Mapping[str, tuple[int, int]]  # device: uptime, packets in its spool
    put_away: int  # messages in quarantine, or waiting for a birth that never comes


def facts_of(store: Store) -> Facts:
    """Read everything of the devices."""
    with store.read() as session:
        of_boot = (DeviceRow.name, BootRow.boot_hex)
        packets = session.execute(
            select(*of_boot, PacketRow.sequence, CameraRow.name, PacketRow.body)
            .join(BootRow, BootRow.id == PacketRow.boot_id)
            .join(DeviceRow, DeviceRow.id == BootRow.device_id)
            .join(CameraRow, CameraRow.id == PacketRow.camera_id)
        )
        births = session.execute(select(*of_boot, BootRow.birth).join(DeviceRow))
        current = session.execute(select(DeviceRow.name, DeviceRow.boot_hex))
        cameras = session.execute(
            select(DeviceRow.name, CameraRow.name, CameraRow.width, CameraRow.height, CameraRow.fps).join(
                DeviceRow
            )
        )
        held = session.execute(
            select(*of_boot, KeyRow.key_id)
            .join(BootRow, BootRow.id == KeyRow.boot_id)
            .join(DeviceRow, DeviceRow.id == KeyRow.device_id)
            .order_by(KeyRow.id)
        )
        by_boot: dict[tuple[str, str], tuple[int, ...]] = {}
        for device, boot, key_id in held:
            by_boot[device, boot] = (*by_boot.get((device, boot), ()), key_id)
        records = session.execute(
            select(DeviceRow.name, TelemetryRow.uptime_s, TelemetryRow.spool_packets).join(DeviceRow)
        )
        return Facts(
            {(device, boot, at): camera.encode() + b":" + body for device, boot, at, camera, body in packets},
            {(device, boot): birth for device, boot, birth in births},
            {str(device): boot for device, boot in current},
            {(device, camera): (width, height, fps) for device, camera, width, height, fps in cameras},
            by_boot,
            {device: (uptime, waiting) for device, uptime, waiting in records},
            sum(session.scalars(select(func.count()).select_from(kind)).one() for kind in _PUT_AWAY),
        )
