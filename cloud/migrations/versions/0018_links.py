"""What was sent by links that have a price is known, and what it cost."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing was priced before."""
    for name in ("priced", "nano"):
        op.add_column("usage", sa.Column(name, sa.BigInteger, nullable=False, server_default="0"))


def downgrade() -> None:
    """Forget what links cost."""
    for name in ("nano", "priced"):
        op.drop_column("usage", name)
