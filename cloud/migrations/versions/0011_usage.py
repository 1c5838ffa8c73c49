"""What devices sent is added up, kept within budgets, and looked at for what stands out."""

import json
import time

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_SUMS = ("bytes", "received", "covered_s", "h264", "h264_of", "h265", "h265_of", "raw", "raw_of")
_SAMPLE = ("windows", "sampled_ms", "bytes", "deviation", "crf", "preset", "came_ms")
_TABLES = (
    "usage_calls", "usage_anomalies", "budget_alerts", "budgets", "usage_samples", "usage_ledgers", "usage",
    "usage_records", "usage_places",
)  # fmt: skip


def upgrade() -> None:
    """Nothing has been counted yet, but what cameras sent."""
    op.add_column("cameras", sa.Column("received", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("telemetry", sa.Column("more", sa.String, nullable=False, server_default="{}"))
    op.execute("UPDATE cameras SET received = bytes")
    _create_records()
    _create_sums()
    _create_ledgers()
    _create_budgets()
    _note_received()


def downgrade() -> None:
    """Forget what was counted."""
    for table in _TABLES:
        op.drop_table(table)
    op.drop_column("telemetry", "more")
    op.drop_column("cameras", "received")


def _create_records() -> None:
    waiting = sa.text("counted_ms IS NULL")
    op.create_table(
        "usage_records",
        sa.Column("boot_id", sa.Integer, nullable=False),
        sa.Column("uptime_s", sa.BigInteger, nullable=False),
        sa.Column("statement", sa.Boolean, nullable=False),
        sa.Column("device_id", sa.Integer, nullable=False),
        sa.Column("end_ms", sa.BigInteger, nullable=False),
        sa.Column("span_s", sa.Integer, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("parts", sa.String, nullable=False),
        sa.Column("came_ms", sa.BigInteger, nullable=False),
        sa.Column("counted_ms", sa.BigInteger),
        sa.PrimaryKeyConstraint("boot_id", "uptime_s", "statement", name="pk_usage_records"),
        sa.ForeignKeyConstraint(["boot_id"], ["boots.id"], name="fk_usage_records_boot_id_boots"),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name="fk_usage_records_device_id_devices"),
    )
    op.create_index("ix_usage_records_device_id_end_ms", "usage_records", ["device_id", "end_ms"])
    op.create_index("ix_usage_records_end_ms", "usage_records", ["end_ms"])
    op.create_index(
        "ix_usage_records_uncounted", "usage_records", ["device_id", "end_ms"],
        sqlite_where=waiting, postgresql_where=waiting,
    )  # fmt: skip


def _create_sums() -> None:
    op.create_table(
        "usage_places",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("path", sa.String(98), nullable=False),
        sa.Column("depth", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_usage_places"),
        sa.UniqueConstraint("path", name="uq_usage_places_path"),
    )
    op.create_table(
        "usage",
        sa.Column("grain", sa.String(6), nullable=False),
        sa.Column("place_id", sa.Integer, nullable=False),
        sa.Column("start_ms", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in _SUMS),
        sa.Column("parts", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("grain", "place_id", "start_ms", name="pk_usage"),
        sa.ForeignKeyConstraint(["place_id"], ["usage_places.id"], name="fk_usage_place_id_usage_places"),
        sqlite_with_rowid=False,
    )


def _create_ledgers() -> None:
    op.create_table(
        "usage_ledgers",
        sa.Column("device_id", sa.Integer, nullable=False),
        sa.Column("counted", sa.String, nullable=False),
        sa.Column("base", sa.String, nullable=False),
        sa.Column("stated_ms", sa.BigInteger),
        sa.Column("last_boot", sa.Integer, nullable=False),
        sa.Column("last_s", sa.BigInteger, nullable=False),
        sa.Column("last_ms", sa.BigInteger, nullable=False),
        sa.Column("since_ms", sa.BigInteger, nullable=False),
        sa.Column("received", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("device_id", name="pk_usage_ledgers"),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name="fk_usage_ledgers_device_id_devices"),
    )
    op.create_table(
        "usage_samples",
        sa.Column("camera_id", sa.Integer, nullable=False),
        sa.Column("codec", sa.Integer, nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in _SAMPLE),
        sa.PrimaryKeyConstraint("camera_id", "codec", name="pk_usage_samples"),
        sa.ForeignKeyConstraint(["camera_id"], ["cameras.id"], name="fk_usage_samples_camera_id_cameras"),
    )
    op.create_table(
        "usage_anomalies",
        sa.Column("device_id", sa.Integer, nullable=False),
        *(
            sa.Column(name, sa.BigInteger, nullable=False)
            for name in ("hour_ms", "bytes", "expected", "most", "raised_ms")
        ),
        sa.PrimaryKeyConstraint("device_id", "hour_ms", name="pk_usage_anomalies"),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name="fk_usage_anomalies_device_id_devices"),
    )
    op.create_index("ix_usage_anomalies_raised_ms", "usage_anomalies", ["raised_ms"])


def _note_received() -> None:
    """Let what came before not count as if it had come now."""
    connection = op.get_bind()
    received: dict[int, dict[str, int]] = {}
    for device_id, name, size in connection.execute(sa.text("SELECT device_id, name, bytes FROM cameras")):
        received.setdefault(device_id, {})[name] = size
    ledger = sa.text(
        "INSERT INTO usage_ledgers"
        " (device_id, counted, base, last_boot, last_s, last_ms, since_ms, received)"
        " VALUES (:device_id, '{}', '{}', -1, -1, 0, :now_ms, :received)"
    )
    for device_id, sizes in received.items():
        text = json.dumps(sizes, sort_keys=True, separators=(",", ":"))
        now_ms = time.time_ns() // 1_000_000
        connection.execute(ledger, {"device_id": device_id, "now_ms": now_ms, "received": text})


def _create_budgets() -> None:
    op.create_table(
        "budgets",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("place", sa.String(98), nullable=False),
        sa.Column("bytes_per_month", sa.BigInteger, nullable=False),
        sa.Column("billing_day", sa.Integer, nullable=False),
        sa.Column("set_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_budgets"),
        sa.UniqueConstraint("place", name="uq_budgets_place"),
    )
    op.create_table(
        "budget_alerts",
        sa.Column("budget_id", sa.Integer, nullable=False),
        sa.Column("period_ms", sa.BigInteger, nullable=False),
        sa.Column("percent", sa.Integer, nullable=False),
        *(
            sa.Column(name, sa.BigInteger, nullable=False)
            for name in ("used", "bytes_per_month", "raised_ms")
        ),
        sa.PrimaryKeyConstraint("budget_id", "period_ms", "percent", name="pk_budget_alerts"),
        sa.ForeignKeyConstraint(
            ["budget_id"], ["budgets.id"], name="fk_budget_alerts_budget_id_budgets", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_budget_alerts_raised_ms", "budget_alerts", ["raised_ms"])
    op.create_table(
        "usage_calls",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("event", sa.LargeBinary, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_usage_calls"),
    )
    op.create_index("ix_usage_calls_due_ms", "usage_calls", ["due_ms"])
