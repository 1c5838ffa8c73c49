"""Jobs can be cancelled, clips can fall short of what was asked for, and tails are not kept for ever."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Name a tail for every clip: those that have none cost one look when the row is the oldest."""
    with op.batch_alter_table("jobs") as batch:  # SQLite cannot alter a column in place
        batch.alter_column("state", type_=sa.String(16), existing_type=sa.String(8), existing_nullable=False)
    op.add_column("clips", sa.Column("wanted", sa.String(64)))
    op.add_column("clips", sa.Column("tail_key", sa.String))
    op.execute("UPDATE clips SET tail_key = 'tails/' || fingerprint || '.png'")
    op.create_index("ix_clips_tail_key", "clips", ["tail_key"])


def downgrade() -> None:
    """Take what was cancelled for failed."""
    op.drop_index("ix_clips_tail_key", "clips")
    op.drop_column("clips", "tail_key")
    op.drop_column("clips", "wanted")
    op.execute("UPDATE jobs SET state = 'failed', error = 'cancelled' WHERE state = 'cancelled'")
    with op.batch_alter_table("jobs") as batch:
        batch.alter_column("state", type_=sa.String(8), existing_type=sa.String(16), existing_nullable=False)
