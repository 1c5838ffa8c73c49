"""Alerts and what they found, and what third parties are to be told."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing is looked for yet, and nobody told."""
    _add_alerts()
    _add_hits()
    op.create_table(
        "outbox",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("event_id", sa.String(128), nullable=False),
        sa.Column("topic", sa.String(256), nullable=False),
        sa.Column("historical", sa.Boolean, nullable=False),
        sa.Column("event", sa.LargeBinary, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sa.UniqueConstraint("event_id", name="uq_outbox_event_id"),
    )
    op.create_index("ix_outbox_historical_id", "outbox", ["historical", "id"])
    op.create_index("ix_outbox_created_ms", "outbox", ["created_ms"])
    op.create_table(
        "duties",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("holder", sa.String(128), nullable=False),
        sa.Column("lease_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_duties"),
    )
    op.create_table(
        "tallies",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_tallies"),
    )


def _add_alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("query", sa.String(200), nullable=False),
        sa.Column("place", sa.String(131), nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("hours", sa.String(11)),
        sa.Column("zone", sa.String(64), nullable=False),
        sa.Column("cooldown_s", sa.Integer, nullable=False),
        sa.Column("webhook", sa.String(1024)),
        sa.Column("webhook_error", sa.String),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("changed_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alerts"),
        sa.UniqueConstraint("name", name="uq_alerts_name"),
    )
    op.create_table(
        "webhook_calls",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("alert_id", sa.Integer, nullable=False),
        sa.Column("event", sa.LargeBinary, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due_ms", sa.BigInteger, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_calls"),
        _below("webhook_calls", "alert"),
    )
    op.create_index("ix_webhook_calls_alert_id", "webhook_calls", ["alert_id"])
    op.create_index("ix_webhook_calls_due_ms", "webhook_calls", ["due_ms"])


def _add_hits() -> None:
    op.create_table(
        "alert_hits",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("alert_id", sa.Integer, nullable=False),
        sa.Column("packet_id", sa.Integer, nullable=False),
        sa.Column("camera_id", sa.Integer, nullable=False),
        sa.Column("caption", sa.String, nullable=False),
        sa.Column("historical", sa.Boolean, nullable=False),
        sa.Column("start_ms", sa.BigInteger, nullable=False),
        sa.Column("raised_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alert_hits"),
        _below("alert_hits", "alert"),
        _below("alert_hits", "packet"),
        _below("alert_hits", "camera"),
        sa.UniqueConstraint("alert_id", "packet_id", name="uq_alert_hits_alert_id_packet_id"),
    )
    for columns in (
        ["packet_id"],
        ["start_ms", "id"],
        ["alert_id", "start_ms", "id"],
        ["alert_id", "camera_id", "start_ms"],
    ):
        op.create_index(f"ix_alert_hits_{'_'.join(columns)}", "alert_hits", columns)


def _below(table: str, owner: str) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_{owner}_id_{owner}s"
    return sa.ForeignKeyConstraint([f"{owner}_id"], [f"{owner}s.id"], name=name, ondelete="CASCADE")


def downgrade() -> None:
    """Forget what was looked for."""
    for table in ("tallies", "duties", "outbox", "alert_hits", "webhook_calls", "alerts"):
        op.drop_table(table)
