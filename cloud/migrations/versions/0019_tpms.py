"""Claims may be for a TPM: whoever has its endorsement key needs no secret."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Claims that there are have a secret."""
    op.add_column("claims", sa.Column("ek_sha256", sa.LargeBinary))


def downgrade() -> None:
    """Forget claims for TPMs: without this column they would be claims whose secret nobody has."""
    op.execute("DELETE FROM claims WHERE ek_sha256 IS NOT NULL")
    op.drop_column("claims", "ek_sha256")
