"""What devices sent, minute by minute and added up; budgets, and what was found out about both."""

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from cloud.schema.base import Base

_UNCOUNTED = text("counted_ms IS NULL")


class UsagePlaceRow(Base):
    """A place that has sums: "" the whole fleet, or a tenant, tenant/site, tenant/site/device."""

    __tablename__ = "usage_places"

    id: Mapped[int] = mapped_column(primary_key=True)
    path: Mapped[str] = mapped_column(String(98), unique=True)
    depth: Mapped[int]


class UsageRecordRow(Base):
    """What a device says it sent: in the `span_s` up to `end_ms`, which is `uptime_s` of its boot; or ever.

    The latter is a statement. `parts` are bytes by camera and slot (`cloud.usage.parts`). A record is in the
    sums from `counted_ms` on; without that it waits, if need be until the cloud has received enough to
    believe it.
    """

    __tablename__ = "usage_records"
    __table_args__ = (
        Index(None, "device_id", "end_ms"),
        Index(None, "end_ms"),
        Index(
            "ix_usage_records_uncounted", "device_id", "end_ms",
            sqlite_where=_UNCOUNTED, postgresql_where=_UNCOUNTED,
        ),
    )  # fmt: skip

    boot_id: Mapped[int] = mapped_column(ForeignKey("boots.id"), primary_key=True)
    uptime_s: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    statement: Mapped[bool] = mapped_column(primary_key=True)
    device_id: Mapped[int] = mapped_column(ForeignKey("devices.id"))
    end_ms: Mapped[int] = mapped_column(BigInteger)
    span_s: Mapped[int]
    bytes: Mapped[int] = mapped_column(BigInteger)
    parts: Mapped[str]
    came_ms: Mapped[int] = mapped_column(BigInteger)
    counted_ms: Mapped[int | None] = mapped_column(BigInteger)


class UsageRow(Base):
    """What a place sent in the time from `start_ms`: an hour, day or month of UTC, or ever (0).

    Places above devices have minutes, too. `bytes` is all of `parts`; `received` is what the cloud got of
    packets in that time, `covered_s` how long devices reported. Instead of the bytes `h264_of`, video would
    have taken `h264`; likewise the others. Links with a price carried `priced` bytes, for `nano` billionths
    of the currency of the settings.
    """

    __tablename__ = "usage"
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012 -- SQLAlchemy reads it

    grain: Mapped[str] = mapped_column(String(6), primary_key=True)
    place_id: Mapped[int] = mapped_column(ForeignKey("usage_places.id"), primary_key=True)
    start_ms: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    bytes: Mapped[int] = mapped_column(BigInteger)
    received: Mapped[int] = mapped_column(BigInteger)
    covered_s: Mapped[int] = mapped_column(BigInteger)
    h264: Mapped[int] = mapped_column(BigInteger)
    h264_of: Mapped[int] = mapped_column(BigInteger)
    h265: Mapped[int] = mapped_column(BigInteger)
    h265_of: Mapped[int] = mapped_column(BigInteger)
    raw: Mapped[int] = mapped_column(BigInteger)
    raw_of: Mapped[int] = mapped_column(BigInteger)
    priced: Mapped[int] = mapped_column(BigInteger, server_default="0")
    nano: Mapped[int] = mapped_column(BigInteger, server_default="0")
    parts: Mapped[str]


class UsageLedgerRow(Base):
    """What the cloud knows of a device's ledger; all but numbers is JSON (`cloud.usage.reckoning`).

    `counted` are bytes in the sums since ever; the last minute of them ended `last_s` after the start of
    `last_boot`, the latest at `last_ms`. `base` is what the device had sent by then beside these, of each
    slot that it ever stated, first at `stated_ms`. It is known since `since_ms`; `received` are bytes by
    camera at the last look.
    """

    __tablename__ = "usage_ledgers"

    device_id: Mapped[int] = mapped_column(ForeignKey("devices.id"), primary_key=True)
    counted: Mapped[str]
    base: Mapped[str]
    stated_ms: Mapped[int | None] = mapped_column(BigInteger)
    last_boot: Mapped[int]
    last_s: Mapped[int] = mapped_column(BigInteger)
    last_ms: Mapped[int] = mapped_column(BigInteger)
    since_ms: Mapped[int] = mapped_column(BigInteger)
    received: Mapped[str]


class UsageSampleRow(Base):
    """What a camera would have taken as video, as it last said (`wire.spent.Sample`)."""

    __tablename__ = "usage_samples"

    camera_id: Mapped[int] = mapped_column(ForeignKey("cameras.id"), primary_key=True)
    codec: Mapped[int] = mapped_column(primary_key=True)
    windows: Mapped[int] = mapped_column(BigInteger)
    sampled_ms: Mapped[int] = mapped_column(BigInteger)
    bytes: Mapped[int] = mapped_column(BigInteger)
    deviation: Mapped[int] = mapped_column(BigInteger)
    crf: Mapped[int] = mapped_column(BigInteger)
    preset: Mapped[int] = mapped_column(BigInteger)
    came_ms: Mapped[int] = mapped_column(BigInteger)


class BudgetRow(Base):
    """How much a place may send from one `billing_day` to the next."""

    __tablename__ = "budgets"

    id: Mapped[int] = mapped_column(primary_key=True)
    place: Mapped[str] = mapped_column(String(98), unique=True)
    bytes_per_month: Mapped[int] = mapped_column(BigInteger)
    billing_day: Mapped[int]
    set_ms: Mapped[int] = mapped_column(BigInteger)


class BudgetAlertRow(Base):
    """A budget reached `percent` in the period from `period_ms`; each is raised once."""

    __tablename__ = "budget_alerts"

    budget_id: Mapped[int] = mapped_column(ForeignKey("budgets.id", ondelete="CASCADE"), primary_key=True)
    period_ms: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    percent: Mapped[int] = mapped_column(primary_key=True)
    used: Mapped[int] = mapped_column(BigInteger)
    bytes_per_month: Mapped[int] = mapped_column(BigInteger)
    raised_ms: Mapped[int] = mapped_column(BigInteger, index=True)


class UsageAnomalyRow(Base):
    """A device sent more in the hour from `hour_ms` than its history explains."""

    __tablename__ = "usage_anomalies"

    device_id: Mapped[int] = mapped_column(ForeignKey("devices.id"), primary_key=True)
    hour_ms: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    bytes: Mapped[int] = mapped_column(BigInteger)
    expected: Mapped[int] = mapped_column(BigInteger)
    most: Mapped[int] = mapped_column(BigInteger)
    raised_ms: Mapped[int] = mapped_column(BigInteger, index=True)


class UsageCallRow(Base):
    """An event that is to be posted to the webhook of [usage], not before `due_ms`."""

    __tablename__ = "usage_calls"

    id: Mapped[int] = mapped_column(primary_key=True)
    event: Mapped[bytes] = mapped_column(LargeBinary)
    attempts: Mapped[int] = mapped_column(default=0)
    due_ms: Mapped[int] = mapped_column(BigInteger, index=True)
