"""Jobs have lanes, turns, leases and results; what had failed is dead."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_LATE = sa.text("late_ms IS NOT NULL")


def upgrade() -> None:
    """Give no lease to what runs: the first worker takes it up."""
    op.drop_index("ix_jobs_state_not_before_ms", "jobs")
    numbers = {"turn": "1", "lane": "3", "asked_ms": "0", "fence": "0", "lease_ms": "0"}
    for name, default in numbers.items():
        kind = sa.Integer if name in ("turn", "lane") else sa.BigInteger
        op.add_column("jobs", sa.Column(name, kind, nullable=False, server_default=default))
    op.add_column("jobs", sa.Column("late_ms", sa.BigInteger))
    op.add_column("jobs", sa.Column("worker", sa.String(128)))
    op.add_column("jobs", sa.Column("result_ref", sa.String(64)))
    op.execute("UPDATE jobs SET lane = 0 WHERE urgent")
    op.execute("UPDATE jobs SET asked_ms = changed_ms")
    op.execute("UPDATE jobs SET state = 'dead' WHERE state = 'failed'")
    op.execute(
        "UPDATE jobs SET result_ref = (SELECT fingerprint FROM clips WHERE clips.packet_id = jobs.packet_id) "
        "WHERE state = 'done'"
    )
    op.drop_column("jobs", "urgent")
    op.create_index(
        "ix_jobs_state_lane_asked_ms_packet_id", "jobs", ["state", "lane", "asked_ms", "packet_id"]
    )
    op.create_index("ix_jobs_state_asked_ms", "jobs", ["state", "asked_ms"])
    op.create_index("ix_jobs_state_changed_ms", "jobs", ["state", "changed_ms"])
    op.create_index(
        "ix_jobs_state_late_ms", "jobs", ["state", "late_ms"], sqlite_where=_LATE, postgresql_where=_LATE
    )


def downgrade() -> None:
    """Take what came too late for cancelled."""
    op.add_column("jobs", sa.Column("urgent", sa.Boolean, nullable=False, server_default=sa.false()))
    op.execute("UPDATE jobs SET urgent = (lane = 0)")
    op.execute("UPDATE jobs SET state = 'failed' WHERE state = 'dead'")
    op.execute("UPDATE jobs SET state = 'cancelled' WHERE state = 'late'")
    for name in ("state_lane_asked_ms_packet_id", "state_asked_ms", "state_changed_ms", "state_late_ms"):
        op.drop_index(f"ix_jobs_{name}", "jobs")
    for name in ("turn", "lane", "asked_ms", "fence", "lease_ms", "late_ms", "worker", "result_ref"):
        op.drop_column("jobs", name)
    op.create_index("ix_jobs_state_not_before_ms", "jobs", ["state", "not_before_ms"])
