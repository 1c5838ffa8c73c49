"""What nobody can read, or was refused: kept with its reason for whoever looks, the latest so many."""

from sqlalchemy import delete
from sqlalchemy.orm import Session

from cloud.message import Message
from cloud.schema import QuarantineRow

MAX_QUARANTINE = 10_000  # rows; the oldest go
_MAX_REASON = 1000  # characters


def quarantine(session: Session, message: Message, reason: str) -> None:
    """Put a message away."""
    row = QuarantineRow(
        # A database may refuse NUL and lone surrogates in text.
        topic=message.topic.replace("\0", "\\0"),
        frame=message.payload,
        reason=reason[:_MAX_REASON].replace("\0", "\\0").encode("utf-8", "replace").decode(),
        received_ms=message.received_ms,
    )
    session.add(row)
    session.flush()
    session.execute(delete(QuarantineRow).where(QuarantineRow.id <= row.id - MAX_QUARANTINE))
