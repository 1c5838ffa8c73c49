"""The first schema: devices, boots, cameras, packets, and what is derived from them."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """From nothing."""
    _create_fleet()
    _create_packets()
    _create_segments()
    _create_clips()
    _create_leftovers()


def downgrade() -> None:
    """Back to nothing: all data is lost."""
    for table in (
        "quarantine",
        "pending",
        "jobs",
        "clips",
        "segments",
        "packets",
        "cameras",
        "boots",
        "devices",
    ):
        op.drop_table(table)


def _create_fleet() -> None:
    op.create_table(
        "devices",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("tenant", sa.String(32), nullable=False),
        sa.Column("site", sa.String(32), nullable=False),
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("boot_hex", sa.String(16)),
        sa.Column("seen_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_devices"),
        sa.UniqueConstraint("tenant", "site", "name", name="uq_devices_tenant_site_name"),
    )
    op.create_table(
        "boots",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("device_id", sa.Integer, nullable=False),
        sa.Column("boot_hex", sa.String(16), nullable=False),
        sa.Column("birth", sa.LargeBinary),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("highest", sa.BigInteger, nullable=False),
        sa.Column("holes", sa.String, nullable=False),
        sa.Column("born_ms", sa.BigInteger),
        sa.Column("changed_ms", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name="fk_boots_device_id"),
        sa.PrimaryKeyConstraint("id", name="pk_boots"),
        sa.UniqueConstraint("device_id", "boot_hex", name="uq_boots_device_id_boot_hex"),
    )
    op.create_table(
        "cameras",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("device_id", sa.Integer, nullable=False),
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("width", sa.Integer),
        sa.Column("height", sa.Integer),
        sa.Column("fps", sa.Double),
        sa.Column("segments", sa.Integer, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name="fk_cameras_device_id"),
        sa.PrimaryKeyConstraint("id", name="pk_cameras"),
        sa.UniqueConstraint("device_id", "name", name="uq_cameras_device_id_name"),
    )


def _create_packets() -> None:
    op.create_table(
        "packets",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("boot_id", sa.Integer, nullable=False),
        sa.Column("camera_id", sa.Integer, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("refresh", sa.Boolean, nullable=False),
        sa.Column("historical", sa.Boolean, nullable=False),
        sa.Column("gap", sa.Boolean, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(["boot_id"], ["boots.id"], name="fk_packets_boot_id"),
        sa.ForeignKeyConstraint(["camera_id"], ["cameras.id"], name="fk_packets_camera_id"),
        sa.PrimaryKeyConstraint("id", name="pk_packets"),
        sa.UniqueConstraint("boot_id", "sequence", name="uq_packets_boot_id_sequence"),
    )
    op.create_index("ix_packets_camera_id_boot_id_sequence", "packets", ["camera_id", "boot_id", "sequence"])


def _create_segments() -> None:
    op.create_table(
        "segments",
        sa.Column("packet_id", sa.Integer, nullable=False),
        sa.Column("camera_id", sa.Integer, nullable=False),
        sa.Column("start_ms", sa.BigInteger, nullable=False),
        sa.Column("duration_ms", sa.Integer, nullable=False),
        sa.Column("still", sa.Boolean, nullable=False),
        sa.Column("caption", sa.String),
        sa.Column("fault", sa.String),
        sa.Column("layers", sa.String, nullable=False),
        sa.ForeignKeyConstraint(["packet_id"], ["packets.id"], name="fk_segments_packet_id"),
        sa.ForeignKeyConstraint(["camera_id"], ["cameras.id"], name="fk_segments_camera_id"),
        sa.PrimaryKeyConstraint("packet_id", name="pk_segments"),
    )
    op.create_index("ix_segments_camera_id_start_ms", "segments", ["camera_id", "start_ms"])


def _create_clips() -> None:
    op.create_table(
        "clips",
        sa.Column("packet_id", sa.Integer, nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("video_key", sa.String, nullable=False),
        sa.Column("poster_key", sa.String, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("frames", sa.Integer, nullable=False),
        sa.Column("render_ms", sa.Integer, nullable=False),
        sa.Column("provenance", sa.String, nullable=False),
        sa.Column("made_ms", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(["packet_id"], ["packets.id"], name="fk_clips_packet_id"),
        sa.PrimaryKeyConstraint("packet_id", name="pk_clips"),
    )
    op.create_index("ix_clips_fingerprint", "clips", ["fingerprint"])
    op.create_table(
        "jobs",
        sa.Column("packet_id", sa.Integer, nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("urgent", sa.Boolean, nullable=False),
        sa.Column("not_before_ms", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("error", sa.String),
        sa.Column("changed_ms", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(["packet_id"], ["packets.id"], name="fk_jobs_packet_id"),
        sa.PrimaryKeyConstraint("packet_id", name="pk_jobs"),
    )
    op.create_index("ix_jobs_state_not_before_ms", "jobs", ["state", "not_before_ms"])


def _create_leftovers() -> None:
    op.create_table(
        "pending",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("device_id", sa.Integer, nullable=False),
        sa.Column("topic", sa.String, nullable=False),
        sa.Column("frame", sa.LargeBinary, nullable=False),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name="fk_pending_device_id"),
        sa.PrimaryKeyConstraint("id", name="pk_pending"),
    )
    op.create_index("ix_pending_device_id", "pending", ["device_id"])
    op.create_table(
        "quarantine",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("topic", sa.String, nullable=False),
        sa.Column("frame", sa.LargeBinary, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_quarantine"),
    )
