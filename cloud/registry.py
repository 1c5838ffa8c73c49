"""Devices, their boots and their cameras: found by name, made when first heard of."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.schema import BootRow, CameraRow, DeviceRow
from wire.documents import Birth
from wire.topics import Topic


def device_row(session: Session, topic: Topic, now_ms: int) -> DeviceRow:
    """Give the device that a topic names, and note that it was heard of."""
    row = session.scalars(
        select(DeviceRow).where(
            DeviceRow.tenant == topic.tenant, DeviceRow.site == topic.site, DeviceRow.name == topic.device
        )
    ).first()
    if row is None:
        row = DeviceRow(tenant=topic.tenant, site=topic.site, name=topic.device, seen_ms=now_ms)
        session.add(row)
        session.flush()
    row.seen_ms = now_ms
    return row


def boot_row(session: Session, device: DeviceRow, boot_hex: str, now_ms: int) -> BootRow:
    """Give one boot of a device."""
    row = session.scalars(
        select(BootRow).where(BootRow.device_id == device.id, BootRow.boot_hex == boot_hex)
    ).first()
    if row is None:
        row = BootRow(device_id=device.id, boot_hex=boot_hex, changed_ms=now_ms)
        session.add(row)
        session.flush()
    return row


def camera_row(session: Session, device: DeviceRow, name: str) -> CameraRow:
    """Give one camera of a device."""
    row = session.scalars(
        select(CameraRow).where(CameraRow.device_id == device.id, CameraRow.name == name)
    ).first()
    if row is None:
        row = CameraRow(device_id=device.id, name=name)
        session.add(row)
        session.flush()
    return row


def register(session: Session, device: DeviceRow, birth: Birth, data: bytes, now_ms: int) -> BootRow:
    """Take note of a birth: its boot is now the device's, its cameras are as it says."""
    boot = boot_row(session, device, birth.boot_id, now_ms)
    boot.birth = data
    boot.born_ms = boot.born_ms or now_ms
    device.boot_hex = birth.boot_id
    for camera in birth.cameras:
        row = camera_row(session, device, camera.name)
        row.width, row.height, row.fps = camera.width, camera.height, camera.fps
    session.flush()
    return boot
