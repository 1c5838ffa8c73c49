"""Devices, their boots and their cameras: found by name, made when first heard of.

What a session has found once it finds again without asking the database: packets of a few devices
come by the dozen.
"""

from collections.abc import Hashable
from typing import TypeVar

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from cloud.schema import Base, BootRow, CameraRow, DeviceRow
from wire.documents import Birth
from wire.topics import Topic

_Row = TypeVar("_Row", bound=Base)


def device_row(session: Session, topic: Topic, now_ms: int) -> DeviceRow:
    """Give the device that a topic names, and note that it was heard of."""
    query = select(DeviceRow).where(
        DeviceRow.tenant == topic.tenant, DeviceRow.site == topic.site, DeviceRow.name == topic.device
    )
    row = _found(session, ("device", topic.tenant, topic.site, topic.device), query)
    if row is None:
        row = DeviceRow(tenant=topic.tenant, site=topic.site, name=topic.device, seen_ms=now_ms)
        _made(session, ("device", topic.tenant, topic.site, topic.device), row)
    row.seen_ms = now_ms
    return row


def boot_row(session: Session, device: DeviceRow, boot_hex: str, now_ms: int) -> BootRow:
    """Give one boot of a device."""
    key = ("boot", device.id, boot_hex)
    query = select(BootRow).where(BootRow.device_id == device.id, BootRow.boot_hex == boot_hex)
    row = _found(session, key, query)
    if row is None:
        row = _made(session, key, BootRow(device_id=device.id, boot_hex=boot_hex, changed_ms=now_ms))
    return row


def camera_row(session: Session, device: DeviceRow, name: str) -> CameraRow:
    """Give one camera of a device."""
    key = ("camera", device.id, name)
    query = select(CameraRow).where(CameraRow.device_id == device.id, CameraRow.name == name)
    row = _found(session, key, query)
    if row is None:
        row = _made(session, key, CameraRow(device_id=device.id, name=name))
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


def _found(session: Session, key: Hashable, query: "Select[_Row]") -> _Row | None:
    known: dict[Hashable, _Row] = session.info.setdefault("registry", {})
    row = known.get(key)
    if row is None:
        row = session.scalars(query).first()
        if row is not None:
            known[key] = row
    return row


def _made(session: Session, key: Hashable, row: _Row) -> _Row:
    session.add(row)
    session.flush()
    session.info.setdefault("registry", {})[key] = row
    return row
