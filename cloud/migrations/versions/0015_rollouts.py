"""Releases and bundles on their way to devices."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing is on its way yet."""
    op.create_table(
        "rollouts",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("tenant", sa.String(32), nullable=False),
        sa.Column("fleet", sa.String(32), nullable=False),
        sa.Column("aim", sa.String, nullable=False),
        sa.Column("waves", sa.String, nullable=False),
        sa.Column("health_ms", sa.BigInteger, nullable=False),
        sa.Column("halt_after", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("why", sa.String, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("changed_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_rollouts"),
    )
    op.create_index("ix_rollouts_state", "rollouts", ["state"])
    op.create_index("ix_rollouts_tenant_fleet", "rollouts", ["tenant", "fleet"])
    op.create_table(
        "rollout_devices",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("rollout_id", sa.Integer, nullable=False),
        sa.Column("site", sa.String(32), nullable=False),
        sa.Column("device", sa.String(32), nullable=False),
        sa.Column("platform", sa.String(16), nullable=False),
        sa.Column("wave", sa.Integer, nullable=False),
        sa.Column("goals", sa.String, nullable=False),
        sa.Column("goal", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("since_ms", sa.BigInteger, nullable=False),
        sa.Column("due_ms", sa.BigInteger, nullable=False),
        sa.Column("away_ms", sa.BigInteger),
        sa.Column("asks", sa.Integer, nullable=False),
        sa.Column("told", sa.String, nullable=False),
        sa.Column("why", sa.String, nullable=False),
        sa.Column("excused", sa.Boolean, nullable=False),
        sa.Column("command_id", sa.String(128)),
        sa.PrimaryKeyConstraint("id", name="pk_rollout_devices"),
        sa.ForeignKeyConstraint(
            ["rollout_id"], ["rollouts.id"], ondelete="CASCADE", name="fk_rollout_devices_rollout_id_rollouts"
        ),
        sa.UniqueConstraint("rollout_id", "site", "device", name="uq_rollout_devices_rollout_id_site_device"),
    )
    op.create_index("ix_rollout_devices_rollout_id_state", "rollout_devices", ["rollout_id", "state"])


def downgrade() -> None:
    """Forget what is on its way: devices that were asked go on by themselves."""
    op.drop_table("rollout_devices")
    op.drop_table("rollouts")
