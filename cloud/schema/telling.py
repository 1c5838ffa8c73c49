"""What third parties are still to be told, who does so, and counts that outlive processes."""

from sqlalchemy import BigInteger, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from cloud.schema.base import Base


class OutboxRow(Base):
    """An event (`wire.events`) that the broker has not acknowledged yet; what is no news goes last."""

    __tablename__ = "outbox"
    __table_args__ = (Index(None, "historical", "id"), Index(None, "created_ms"))

    id: Mapped[int] = mapped_column(primary_key=True)
    event_id: Mapped[str] = mapped_column(String(128), unique=True)
    topic: Mapped[str] = mapped_column(String(256))
    historical: Mapped[bool]
    event: Mapped[bytes] = mapped_column(LargeBinary)
    created_ms: Mapped[int] = mapped_column(BigInteger)


class DutyRow(Base):
    """What one process does for all: `holder` has the duty until `lease_ms` (cloud/duties.py)."""

    __tablename__ = "duties"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    holder: Mapped[str] = mapped_column(String(128))
    lease_ms: Mapped[int] = mapped_column(BigInteger)


class TallyRow(Base):
    """A count that only grows (cloud/tallies.py)."""

    __tablename__ = "tallies"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)
