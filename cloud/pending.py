"""Frames that came before the birth that explains them: they wait in the store, a bounded number a device.

They are not acknowledged to the device, so those that are dropped come again.
"""

from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from cloud.message import Message
from cloud.schema import PendingRow

MAX_PENDING = 4096  # frames of one device: two hours of one camera; the oldest go
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


def waiting(session: Session, device_id: int) -> list[tuple[int, Message]]:
    """Give what waits for a birth of this device, the oldest first, by row id."""
    rows = session.scalars(
        select(PendingRow).where(PendingRow.device_id == device_id).order_by(PendingRow.id)
    )
    return [(row.id, Message(row.topic, row.frame, row.received_ms)) for row in rows]


def waiting_devices(session: Session) -> Sequence[int]:
    """Give the devices that have frames waiting."""
    return session.scalars(select(PendingRow.device_id).distinct()).all()


def forget(session: Session, row_ids: Sequence[int]) -> None:
    """Remove frames that wait no longer."""
    for row_id in row_ids:
        session.execute(delete(PendingRow).where(PendingRow.id == row_id))
