"""Packets are stored first and derived later; connection keys, commands, telemetry."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_UNDERIVED = sa.text("underived IS NOT NULL")
_AGAIN = sa.text("underived = 2")


def upgrade() -> None:
    """All that is stored was derived at once."""
    op.add_column("packets", sa.Column("underived", sa.Integer))
    op.create_index(
        "ix_packets_underived", "packets", ["underived", "historical"],
        sqlite_where=_UNDERIVED, postgresql_where=_UNDERIVED,
    )  # fmt: skip
    op.create_index(
        "ix_packets_again", "packets", ["boot_id", "sequence"],
        sqlite_where=_AGAIN, postgresql_where=_AGAIN,
    )  # fmt: skip
    op.add_column("boots", sa.Column("derived", sa.BigInteger, nullable=False, server_default="-1"))
    op.add_column("boots", sa.Column("lease_ms", sa.BigInteger, nullable=False, server_default="0"))
    op.execute("UPDATE boots SET derived = highest")
    _create_keys()
    _create_telemetry()
    _create_commands()


def downgrade() -> None:
    """Forget keys; what is not derived yet stays without a segment."""
    for table in ("commands", "telemetry", "keys"):
        op.drop_table(table)
    op.drop_column("boots", "lease_ms")
    op.drop_column("boots", "derived")
    op.drop_index("ix_packets_again", "packets")
    op.drop_index("ix_packets_underived", "packets")
    op.drop_column("packets", "underived")


def _create_keys() -> None:
    op.create_table(
        "keys",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("device_id", sa.Integer, nullable=False),
        sa.Column("boot_id", sa.Integer, nullable=False),
        sa.Column("key_id", sa.Integer, nullable=False),
        sa.Column("secret", sa.LargeBinary, nullable=False),
        sa.Column("born_ms", sa.BigInteger, nullable=False),
        sa.Column("telemetry_counter", sa.BigInteger, nullable=False),
        sa.Column("down_counter", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name="fk_keys_device_id"),
        sa.ForeignKeyConstraint(["boot_id"], ["boots.id"], name="fk_keys_boot_id"),
        sa.PrimaryKeyConstraint("id", name="pk_keys"),
        sa.UniqueConstraint("device_id", "secret", name="uq_keys_device_id_secret"),
    )
    op.create_index("ix_keys_device_id_key_id", "keys", ["device_id", "key_id"])


def _create_telemetry() -> None:
    numbers = ("at_ms", "uptime_s", "spool_packets", "spool_bytes", "spool_age_s", "dropped", "shed_details")
    op.create_table(
        "telemetry",
        sa.Column("device_id", sa.Integer, nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in numbers),
        sa.Column("alarms", sa.String, nullable=False),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name="fk_telemetry_device_id"),
        sa.PrimaryKeyConstraint("device_id", name="pk_telemetry"),
    )


def _create_commands() -> None:
    op.create_table(
        "commands",
        sa.Column("id", sa.String(128), nullable=False),
        sa.Column("device_id", sa.Integer, nullable=False),
        sa.Column("verb", sa.String(32), nullable=False),
        sa.Column("arguments", sa.String, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("deadline_ms", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reply", sa.String),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name="fk_commands_device_id"),
        sa.PrimaryKeyConstraint("id", name="pk_commands"),
    )
    op.create_index("ix_commands_state_deadline_ms", "commands", ["state", "deadline_ms"])
