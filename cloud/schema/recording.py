"""Packets, what they say, and what could not be read."""

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, SmallInteger, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from cloud.schema.base import Base

_UNDERIVED, _AGAIN = text("underived IS NOT NULL"), text("underived = 2")
_EXPIRES = text("expires_ms IS NOT NULL")


class PacketRow(Base):
    """One packet as it came, without its boot id and its backlog flag; `size` counts the whole frame.

    `underived` is null once its segment is as it should be: 1 while there is none yet, 2 while it is to be
    derived again.
    """

    __tablename__ = "packets"
    __table_args__ = (
        UniqueConstraint("boot_id", "sequence"),
        Index(None, "camera_id", "boot_id", "sequence"),
        Index(
            "ix_packets_underived",
            "underived",
            "historical",
            sqlite_where=_UNDERIVED,
            postgresql_where=_UNDERIVED,
        ),
        Index("ix_packets_again", "boot_id", "sequence", sqlite_where=_AGAIN, postgresql_where=_AGAIN),
        Index("ix_packets_gap", "boot_id", sqlite_where=text("gap = 1"), postgresql_where=text("gap")),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    boot_id: Mapped[int] = mapped_column(ForeignKey("boots.id"))
    camera_id: Mapped[int] = mapped_column(ForeignKey("cameras.id"))
    sequence: Mapped[int] = mapped_column(BigInteger)
    refresh: Mapped[bool]
    historical: Mapped[bool]
    gap: Mapped[bool]
    size: Mapped[int]
    body: Mapped[bytes] = mapped_column(LargeBinary)
    received_ms: Mapped[int] = mapped_column(BigInteger)
    underived: Mapped[int | None]


class SegmentRow(Base):
    """What a packet says, for lists and search: wall time, caption, bytes by layer (JSON, label to bytes).

    `fault` says why it cannot be understood yet, for instance because its device's birth is missing.

    What its sender demands (`cloud.bound`) is in `binds`: null for nothing, empty where that is not known.
    `viewers` is the lowest role that may look, and at `expires_ms` the packet has to be gone.
    """

    __tablename__ = "segments"
    __table_args__ = (
        Index(None, "camera_id", "start_ms"),
        Index("ix_segments_expires_ms", "expires_ms", sqlite_where=_EXPIRES, postgresql_where=_EXPIRES),
    )

    packet_id: Mapped[int] = mapped_column(ForeignKey("packets.id"), primary_key=True)
    camera_id: Mapped[int] = mapped_column(ForeignKey("cameras.id"))
    start_ms: Mapped[int] = mapped_column(BigInteger)
    duration_ms: Mapped[int]
    still: Mapped[bool]
    caption: Mapped[str | None]
    fault: Mapped[str | None]
    layers: Mapped[str]
    binds: Mapped[bytes | None] = mapped_column(LargeBinary)
    viewers: Mapped[int] = mapped_column(SmallInteger, default=1, server_default="1")
    expires_ms: Mapped[int | None] = mapped_column(BigInteger)


class PendingRow(Base):
    """A frame whose boot, or key, is not known yet."""

    __tablename__ = "pending"

    id: Mapped[int] = mapped_column(primary_key=True)
    device_id: Mapped[int] = mapped_column(ForeignKey("devices.id"), index=True)
    topic: Mapped[str]
    frame: Mapped[bytes] = mapped_column(LargeBinary)
    received_ms: Mapped[int] = mapped_column(BigInteger)


class QuarantineRow(Base):
    """A message that could not be read, and why."""

    __tablename__ = "quarantine"

    id: Mapped[int] = mapped_column(primary_key=True)
    topic: Mapped[str]
    frame: Mapped[bytes] = mapped_column(LargeBinary)
    reason: Mapped[str]
    received_ms: Mapped[int] = mapped_column(BigInteger)
