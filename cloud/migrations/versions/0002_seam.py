"""How visible a clip's border to the one before is."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Clips made before were not measured."""
    op.add_column("clips", sa.Column("seam", sa.Double))


def downgrade() -> None:
    """Forget what was measured."""
    op.drop_column("clips", "seam")
