"""Frames that came before the birth that explains them: they wait in the store, a bounded number a device.

They are not acknowledged to the device, so those that are dropped come again.
"""

from collections.abc import Sequence

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from cloud.message import Message
from cloud.schema import KeyRow, PendingRow
from wire.envelope import UNSEALED

MAX_PENDING = 4096  # frames of one device: two hours of one camera; the oldest go
_key_id = func.substr(PendingRow.frame, 2, 1)  # see wire/envelope.py
MAX_FRAME_BYTES = 4096  # of one: 16 MiB of a device; few are larger


def postpone(session: Session, device_id: int, message: Message) -> bool:
    """Let a frame wait for a birth of its device; False for one that is too large for that."""
    if len(message.payload) > MAX_FRAME_BYTES:
        return False
    session.add(
        PendingRow(
            device_id=device_id, topic=message.topic, frame=message.payload, received_ms=message.received_ms
        )
    )
    session.flush()
    of_device = select(PendingRow.id).where(PendingRow.device_id == device_id)
    oldest = session.scalar(of_device.order_by(PendingRow.id.desc()).offset(MAX_PENDING).limit(1))
    if oldest is not None:
        session.execute(delete(PendingRow).where(PendingRow.device_id == device_id, PendingRow.id <= oldest))
    return True


def waiting(session: Session, device_id: int, key_id: int) -> list[tuple[int, Message]]:
    """Give what waits for a key of this id, the oldest first, by row id."""
    rows = session.scalars(
        select(PendingRow)
        .where(PendingRow.device_id == device_id, _key_id == bytes((key_id,)))
        .order_by(PendingRow.id)
    )
    return [(row.id, Message(row.topic, row.frame, row.received_ms)) for row in rows]


def ready(session: Session) -> list[tuple[int, int]]:
    """Give the devices and key ids of which frames wait and a key has come, or none is needed."""
    rows = session.execute(select(PendingRow.device_id, _key_id).distinct())
    waits = {(device_id, key_id[0]) for device_id, key_id in rows}
    devices = {device_id for device_id, _ in waits}
    known = select(KeyRow.device_id, KeyRow.key_id).where(KeyRow.device_id.in_(devices)).distinct()
    have = {tuple(row) for row in session.execute(known)} | {(device_id, UNSEALED) for device_id in devices}
    return sorted(waits & have)


def forget(session: Session, row_ids: Sequence[int]) -> None:
    """Remove frames that wait no longer."""
    for row_id in row_ids:
        session.execute(delete(PendingRow).where(PendingRow.id == row_id))
