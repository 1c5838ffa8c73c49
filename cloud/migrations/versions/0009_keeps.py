"""Retention: intervals that are kept, the oldest clips, and the gap records of a boot found quickly."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_NUMBERS = ("from_ms", "to_ms", "made_ms")


def upgrade() -> None:
    """Nothing is kept yet that retention would not keep."""
    op.create_table(
        "keeps",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("camera_id", sa.Integer, nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in _NUMBERS),
        sa.Column("note", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_keeps"),
        sa.ForeignKeyConstraint(["camera_id"], ["cameras.id"], name="fk_keeps_camera_id", ondelete="CASCADE"),
    )
    op.create_index("ix_keeps_camera_id_from_ms", "keeps", ["camera_id", "from_ms"])
    op.create_index("ix_clips_made_ms_packet_id", "clips", ["made_ms", "packet_id"])
    op.create_index(
        "ix_packets_gap", "packets", ["boot_id"],
        sqlite_where=sa.text("gap = 1"), postgresql_where=sa.text("gap"),
    )  # fmt: skip


def downgrade() -> None:
    """Forget what was kept."""
    op.drop_index("ix_packets_gap", "packets")
    op.drop_index("ix_clips_made_ms_packet_id", "clips")
    op.drop_table("keeps")
