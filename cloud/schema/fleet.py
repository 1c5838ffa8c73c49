"""Devices, what they said of themselves, their keys, and what they were asked."""

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cloud.schema.base import Base


class DeviceRow(Base):
    """One device; `boot_hex` is the boot of the last birth that it sent."""

    __tablename__ = "devices"
    __table_args__ = (UniqueConstraint("tenant", "site", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant: Mapped[str] = mapped_column(String(32))
    site: Mapped[str] = mapped_column(String(32))
    name: Mapped[str] = mapped_column(String(32))
    boot_hex: Mapped[str | None] = mapped_column(String(16))
    seen_ms: Mapped[int] = mapped_column(BigInteger)


class BootRow(Base):
    """One start of a device: `birth` as it came (first at `born_ms`), its last state, what of it is stored.

    All sequences up to `highest` are, but those in `holes`: JSON, a list of (first, last). `changed_ms`
    is when the device last sent a packet of it. Segments were derived up to sequence `derived` at least
    once; whoever derives them has a lease until `lease_ms` (cloud/derivation.py).
    """

    __tablename__ = "boots"
    __table_args__ = (UniqueConstraint("device_id", "boot_hex"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    device_id: Mapped[int] = mapped_column(ForeignKey("devices.id"))
    boot_hex: Mapped[str] = mapped_column(String(16))
    birth: Mapped[bytes | None] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(String(16), default="unknown")
    highest: Mapped[int] = mapped_column(BigInteger, default=-1)
    holes: Mapped[str] = mapped_column(default="[]")
    born_ms: Mapped[int | None] = mapped_column(BigInteger)
    changed_ms: Mapped[int] = mapped_column(BigInteger)
    derived: Mapped[int] = mapped_column(BigInteger, default=-1)
    lease_ms: Mapped[int] = mapped_column(BigInteger, default=0)


class CameraRow(Base):
    """One camera of a device; size and rate are those of the last birth that named it.

    `segments` and `bytes` add up its packets: counting them for every reader would take too long. `received`
    does so with those that are gone, too.
    """

    __tablename__ = "cameras"
    __table_args__ = (UniqueConstraint("device_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    device_id: Mapped[int] = mapped_column(ForeignKey("devices.id"))
    name: Mapped[str] = mapped_column(String(32))
    width: Mapped[int | None]
    height: Mapped[int | None]
    fps: Mapped[float | None]
    segments: Mapped[int] = mapped_column(default=0)
    bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    received: Mapped[int] = mapped_column(BigInteger, server_default="0")


class EnrolmentRow(Base):
    """A device that may speak. Its id is its user name at the broker, so no two have the same.

    `public_key` is SPKI in DER, `cameras` a JSON list of names. It is no longer heard after `revoked_ms`.
    """

    __tablename__ = "enrolments"
    __table_args__ = (UniqueConstraint("device"), UniqueConstraint("public_key"))

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant: Mapped[str] = mapped_column(String(32))
    site: Mapped[str] = mapped_column(String(32))
    device: Mapped[str] = mapped_column(String(32))
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    cameras: Mapped[str]
    enrolled_ms: Mapped[int] = mapped_column(BigInteger)
    revoked_ms: Mapped[int | None] = mapped_column(BigInteger)


class KeyRow(Base):
    """The secret of one connection. `down_counter` is the next nonce of what the cloud sends under it.

    `telemetry_counter` is the highest that came under the telemetry topic.
    """

    __tablename__ = "keys"
    __table_args__ = (UniqueConstraint("device_id", "secret"), Index(None, "device_id", "key_id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    device_id: Mapped[int] = mapped_column(ForeignKey("devices.id"))
    boot_id: Mapped[int] = mapped_column(ForeignKey("boots.id"))
    key_id: Mapped[int]
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    born_ms: Mapped[int] = mapped_column(BigInteger)
    telemetry_counter: Mapped[int] = mapped_column(BigInteger, default=-1)
    down_counter: Mapped[int] = mapped_column(BigInteger, default=0)


class TelemetryRow(Base):
    """The latest of what a device said of itself (wire/telemetry.py); `alarms` is a JSON list of numbers.

    `more` is a JSON object of what it need not say each time.
    """

    __tablename__ = "telemetry"

    device_id: Mapped[int] = mapped_column(ForeignKey("devices.id"), primary_key=True)
    at_ms: Mapped[int] = mapped_column(BigInteger)
    uptime_s: Mapped[int] = mapped_column(BigInteger)
    spool_packets: Mapped[int] = mapped_column(BigInteger)
    spool_bytes: Mapped[int] = mapped_column(BigInteger)
    spool_age_s: Mapped[int] = mapped_column(BigInteger)
    dropped: Mapped[int] = mapped_column(BigInteger)
    shed_details: Mapped[int] = mapped_column(BigInteger)
    alarms: Mapped[str]
    more: Mapped[str] = mapped_column(server_default="{}")


class CommandRow(Base):
    """What a device is asked: queued, sent, answered, refused or expired. JSON in `arguments` and `reply`."""

    __tablename__ = "commands"
    __table_args__ = (Index(None, "state", "deadline_ms"),)

    id: Mapped[str] = mapped_column(String(128), primary_key=True)
    device_id: Mapped[int] = mapped_column(ForeignKey("devices.id"))
    verb: Mapped[str] = mapped_column(String(32))
    arguments: Mapped[str]
    created_ms: Mapped[int] = mapped_column(BigInteger)
    deadline_ms: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String(16), default="queued")
    reply: Mapped[str | None]
