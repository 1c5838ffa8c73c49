"""Claims, certificates of devices, and alarms about identities that two devices have."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_PLACE = ("tenant", "site", "device")


def upgrade() -> None:
    """Nobody has a claim yet."""
    op.create_table(
        "claims",
        sa.Column("id", sa.String(16), nullable=False),
        *(sa.Column(name, sa.String(32), nullable=False) for name in _PLACE),
        sa.Column("cameras", sa.String, nullable=False),
        sa.Column("sha256", sa.LargeBinary, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("expires_ms", sa.BigInteger, nullable=False),
        sa.Column("revoked_ms", sa.BigInteger),
        sa.Column("used_ms", sa.BigInteger),
        sa.Column("used_by", sa.LargeBinary),
        sa.PrimaryKeyConstraint("id", name="pk_claims"),
    )
    op.create_index("ix_claims_device", "claims", ["device"])
    op.create_table(
        "certificates",
        sa.Column("serial", sa.String(40), nullable=False),
        sa.Column("device", sa.String(32), nullable=False),
        sa.Column("key_sha256", sa.LargeBinary, nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("begins_ms", "ends_ms", "issued_ms")),
        sa.Column("pem", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("serial", name="pk_certificates"),
    )
    op.create_index("ix_certificates_device", "certificates", ["device"])
    op.create_index("ix_certificates_ends_ms", "certificates", ["ends_ms"])
    op.create_table(
        "spent_nonces",
        sa.Column("nonce", sa.String(160), nullable=False),
        sa.Column("expires_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("nonce", name="pk_spent_nonces"),
    )
    op.create_index("ix_spent_nonces_expires_ms", "spent_nonces", ["expires_ms"])
    op.create_table(
        "identity_alarms",
        sa.Column("id", sa.Integer, nullable=False),
        *(sa.Column(name, sa.String(32), nullable=False) for name in _PLACE),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("detail", sa.String, nullable=False),
        sa.Column("first_ms", sa.BigInteger, nullable=False),
        sa.Column("last_ms", sa.BigInteger, nullable=False),
        sa.Column("times", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_identity_alarms"),
        sa.UniqueConstraint("device", "kind", name="uq_identity_alarms_device_kind"),
    )


def downgrade() -> None:
    """Forget what was issued: it stays valid, and can no longer be taken back here."""
    for table in ("identity_alarms", "spent_nonces", "certificates", "claims"):
        op.drop_table(table)
