"""Releases and bundles on their way to devices."""

from sqlalchemy import BigInteger, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cloud.schema.base import Base


class RolloutRow(Base):
    """An order to bring a fleet to releases and a bundle, wave after wave (cloud/rollouts).

    `aim` is what is to run, as JSON: the same aim is the same order. `waves` is a JSON list of names. `state`
    is running, halted (`why` says for what reason), finished, or superseded by a later one.
    """

    __tablename__ = "rollouts"
    __table_args__ = (Index(None, "state"), Index(None, "tenant", "fleet"))

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant: Mapped[str] = mapped_column(String(32))
    fleet: Mapped[str] = mapped_column(String(32))
    aim: Mapped[str]
    waves: Mapped[str]
    health_ms: Mapped[int] = mapped_column(BigInteger)
    halt_after: Mapped[int]
    state: Mapped[str] = mapped_column(String(16))
    why: Mapped[str]
    created_ms: Mapped[int] = mapped_column(BigInteger)
    changed_ms: Mapped[int] = mapped_column(BigInteger)


class RolloutDeviceRow(Base):
    """One device of a rollout: what it is to run, and how far that is (cloud/rollouts/judge.py).

    `goals` is a JSON list of [kind, id, hash]: they are reached one after the other, and `goal` says which is
    meant. `told` is what the device said last of its update. `away_ms` is since when it is not there.
    """

    __tablename__ = "rollout_devices"
    __table_args__ = (UniqueConstraint("rollout_id", "site", "device"), Index(None, "rollout_id", "state"))

    id: Mapped[int] = mapped_column(primary_key=True)
    rollout_id: Mapped[int] = mapped_column(ForeignKey("rollouts.id", ondelete="CASCADE"))
    site: Mapped[str] = mapped_column(String(32))
    device: Mapped[str] = mapped_column(String(32))
    platform: Mapped[str] = mapped_column(String(16))
    wave: Mapped[int]
    goals: Mapped[str]
    goal: Mapped[int]
    state: Mapped[str] = mapped_column(String(16))
    since_ms: Mapped[int] = mapped_column(BigInteger)
    due_ms: Mapped[int] = mapped_column(BigInteger)
    away_ms: Mapped[int | None] = mapped_column(BigInteger)
    asks: Mapped[int]
    told: Mapped[str]
    why: Mapped[str]
    excused: Mapped[bool]
    command_id: Mapped[str | None] = mapped_column(String(128))
