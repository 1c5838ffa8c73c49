"""What is stated of a clip, signed; how sure it is; and the keys that were ever signed with."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Clips that were made before have neither: they are as they were."""
    op.add_column("clips", sa.Column("document", sa.String))
    op.add_column("clips", sa.Column("confidence", sa.Double))
    op.create_table(
        "provenance_keys",
        sa.Column("key_id", sa.String(16), nullable=False),
        sa.Column("public_hex", sa.String(64), nullable=False),
        sa.Column("since_ms", sa.BigInteger, nullable=False),
        sa.Column("used_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("key_id", name="pk_provenance_keys"),
    )


def downgrade() -> None:
    """Forget all of it: what was signed can still be checked by those who have the key."""
    op.drop_table("provenance_keys")
    for name in ("confidence", "document"):
        op.drop_column("clips", name)
