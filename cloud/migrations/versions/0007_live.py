"""What live views have shown, so that all processes show the same."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_LIVE = (
    "boot_id", "sequence", "since", "number", "era", "timescale", "ticks", "end_ms", "shown_ms", "listed_ms",
    "late", "failed", "held",
)  # fmt: skip
_FRAGMENT = ("number", "base_ticks", "ticks", "start_ms", "era", "stored_ms", "listed_ms")


def upgrade() -> None:
    """Nobody has looked yet."""
    op.create_table(
        "lives",
        sa.Column("camera_id", sa.Integer, nullable=False),
        *(
            sa.Column(name, sa.Integer if name in ("boot_id", "timescale") else sa.BigInteger, nullable=False)
            for name in _LIVE
        ),
        sa.Column("init_id", sa.String(16), nullable=False),
        sa.Column("packet_id", sa.Integer),
        sa.Column("tag", sa.String(64), nullable=False),
        sa.Column("still", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("camera_id", name="pk_lives"),
        sa.ForeignKeyConstraint(
            ["camera_id"], ["cameras.id"], name="fk_lives_camera_id_cameras", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "live_fragments",
        sa.Column("camera_id", sa.Integer, nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in _FRAGMENT),
        sa.Column("packet_id", sa.Integer, nullable=False),
        sa.Column("tag", sa.String(64), nullable=False),
        sa.Column("piece", sa.Integer, nullable=False),
        sa.Column("init_id", sa.String(16), nullable=False),
        sa.Column("timescale", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("camera_id", "number", name="pk_live_fragments"),
        sa.ForeignKeyConstraint(
            ["camera_id"], ["cameras.id"], name="fk_live_fragments_camera_id_cameras", ondelete="CASCADE"
        ),
    )


def downgrade() -> None:
    """Forget what was shown."""
    op.drop_table("live_fragments")
    op.drop_table("lives")
