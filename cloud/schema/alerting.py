"""Saved searches, what they found, and whom that is told."""

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cloud.schema.base import Base


class AlertRow(Base):
    """A saved search: what captions say (`cloud.query`), below a place, as far as that is named.

    `hours` is 22:00-06:00 in `zone`, null at any time. A camera that raised it is quiet for `cooldown_s`.
    `webhook` is told of each hit, `webhook_error` why that failed last.
    """

    __tablename__ = "alerts"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(128), unique=True)
    query: Mapped[str] = mapped_column(String(200))
    place: Mapped[str] = mapped_column(String(131), default="")
    active: Mapped[bool] = mapped_column(default=True)
    hours: Mapped[str | None] = mapped_column(String(11))
    zone: Mapped[str] = mapped_column(String(64), default="UTC")
    cooldown_s: Mapped[int] = mapped_column(default=60)
    webhook: Mapped[str | None] = mapped_column(String(1024))
    webhook_error: Mapped[str | None]
    created_ms: Mapped[int] = mapped_column(BigInteger)
    changed_ms: Mapped[int] = mapped_column(BigInteger)


class AlertHitRow(Base):
    """A segment that an alert found, once; `caption` is what it said then."""

    __tablename__ = "alert_hits"
    __table_args__ = (
        UniqueConstraint("alert_id", "packet_id"),
        Index(None, "start_ms", "id"),
        Index(None, "alert_id", "start_ms", "id"),
        Index(None, "alert_id", "camera_id", "start_ms"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    alert_id: Mapped[int] = mapped_column(ForeignKey("alerts.id", ondelete="CASCADE"))
    packet_id: Mapped[int] = mapped_column(ForeignKey("packets.id", ondelete="CASCADE"), index=True)
    camera_id: Mapped[int] = mapped_column(ForeignKey("cameras.id", ondelete="CASCADE"))
    caption: Mapped[str]
    historical: Mapped[bool]
    start_ms: Mapped[int] = mapped_column(BigInteger)
    raised_ms: Mapped[int] = mapped_column(BigInteger)


class WebhookCallRow(Base):
    """An event that is to be posted to an alert's webhook, not before `due_ms`."""

    __tablename__ = "webhook_calls"
    __table_args__ = (Index(None, "due_ms"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    alert_id: Mapped[int] = mapped_column(ForeignKey("alerts.id", ondelete="CASCADE"), index=True)
    event: Mapped[bytes] = mapped_column(LargeBinary)
    attempts: Mapped[int] = mapped_column(default=0)
    due_ms: Mapped[int] = mapped_column(BigInteger)
    created_ms: Mapped[int] = mapped_column(BigInteger)
