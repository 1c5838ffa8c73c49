"""Clips, jobs and live views are kept apart by what is asked for, and anchors are stored.

What was made before stays until it is made anew: nobody knows under which settings it was.
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_KEYS = {
    "jobs": ("packet_id", "look"),
    "clips": ("packet_id", "look"),
    "lives": ("camera_id", "look"),
    "live_fragments": ("camera_id", "look", "number"),
}


def upgrade() -> None:
    """Give what there is no look."""
    for table, key in _KEYS.items():
        with op.batch_alter_table(table) as batch:
            batch.add_column(sa.Column("look", sa.String(16), nullable=False, server_default=""))
            batch.drop_constraint(f"pk_{table}", type_="primary")
            batch.create_primary_key(f"pk_{table}", list(key))
    op.create_table(
        "anchors",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("camera", sa.String(160), nullable=False),
        sa.Column("word", sa.String(64), nullable=False),
        sa.Column("role", sa.SmallInteger, nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("added_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_anchors"),
    )
    op.create_index(
        "ix_anchors_sha256_kind_camera_word", "anchors", ["sha256", "kind", "camera", "word"], unique=True
    )


def downgrade() -> None:
    """Forget what differs by who looks."""
    op.drop_table("anchors")
    for table, key in _KEYS.items():
        op.execute(f"DELETE FROM {table} WHERE look <> ''")  # noqa: S608 -- a name from above
        with op.batch_alter_table(table) as batch:
            batch.drop_constraint(f"pk_{table}", type_="primary")
            batch.drop_column("look")
            batch.create_primary_key(f"pk_{table}", [name for name in key if name != "look"])
