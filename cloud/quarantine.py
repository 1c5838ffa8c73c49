"""What nobody can read, or was refused: kept with its reason for whoever looks, the latest so many.

It is bounded by messages and by bytes where something is put into it, so that whoever sends rubbish fills no
disk; `[retention]` may bound it further.
"""

from collections.abc import Sequence

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from cloud.message import Message
from cloud.schema import QuarantineRow
from wire.packet import MAX_FRAME

MAX_QUARANTINE = 10_000  # rows; the oldest go
MAX_BYTES = 64 * 2**20  # of messages
MAX_KEPT = 2 * MAX_FRAME  # of one message
_LOOK_EVERY = 64  # rows, 8 MiB at most: adding up the sizes of all takes a few milliseconds
_MAX_REASON = 1000  # characters


def quarantine(session: Session, message: Message, reason: str) -> None:
    """Put a message away: of what is far larger than any frame, the beginning."""
    size = len(message.payload)
    if size > MAX_KEPT:
        reason = f"{reason} (kept are {MAX_KEPT} of {size} bytes)"
    row = QuarantineRow(
        # A database may refuse NUL and lone surrogates in text.
        topic=message.topic.replace("\0", "\\0"),
        frame=message.payload[:MAX_KEPT],
        reason=reason[:_MAX_REASON].replace("\0", "\\0").encode("utf-8", "replace").decode(),
        received_ms=message.received_ms,
    )
    session.add(row)
    session.flush()
    session.execute(delete(QuarantineRow).where(QuarantineRow.id <= row.id - MAX_QUARANTINE))
    if row.id % _LOOK_EVERY == 0:
        dismiss(session, beyond(session, MAX_BYTES))


def beyond(session: Session, most: int, before_ms: int = 0) -> list[tuple[int, int]]:
    """Give the messages that are too old, or do not fit into `most` bytes any more: their ids and sizes."""
    size = func.length(QuarantineRow.frame)
    rows = session.execute(
        select(QuarantineRow.id, size, QuarantineRow.received_ms).order_by(QuarantineRow.id.desc())
    )
    found, whole = list[tuple[int, int]](), 0
    for row_id, count, received_ms in rows:
        whole += count
        if whole > most or received_ms < before_ms:
            found.append((row_id, count))
    return found


def dismiss(session: Session, messages: Sequence[tuple[int, int]]) -> None:
    """Remove messages, by id and size."""
    ids = [row_id for row_id, _ in messages]
    session.execute(delete(QuarantineRow).where(QuarantineRow.id.in_(ids)))
