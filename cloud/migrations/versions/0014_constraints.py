"""What senders demand is known by segment, and obeyed.

Packets that came before with a `policy` layer are derived again, and clips that were made without asking what
it says are gone.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# Nobody looks (4) until that is done.
_AGAIN = """
    UPDATE packets SET underived = 2
    WHERE underived IS NULL AND id IN (SELECT packet_id FROM segments WHERE layers LIKE '%"policy"%')
"""
_HIDE = "UPDATE segments SET viewers = 4 WHERE layers LIKE '%\"policy\"%'"
_FORGET = """
    DELETE FROM clips WHERE packet_id IN (SELECT packet_id FROM segments WHERE layers LIKE '%"policy"%')
"""


def upgrade() -> None:
    """Columns are added, never made anew: on SQLite triggers hang on the table (0008)."""
    op.add_column("segments", sa.Column("binds", sa.LargeBinary))
    op.add_column("segments", sa.Column("viewers", sa.SmallInteger, nullable=False, server_default="1"))
    op.add_column("segments", sa.Column("expires_ms", sa.BigInteger))
    expires = sa.text("expires_ms IS NOT NULL")
    op.create_index(
        "ix_segments_expires_ms", "segments", ["expires_ms"], sqlite_where=expires, postgresql_where=expires
    )
    for statement in (_AGAIN, _HIDE, _FORGET):
        op.execute(statement)


def downgrade() -> None:
    """Forget what was demanded."""
    op.drop_index("ix_segments_expires_ms", "segments")
    for name in ("expires_ms", "viewers", "binds"):
        op.drop_column("segments", name)
