"""A store of an earlier version: what came before is not counted as if it had come now."""

import contextlib
import sqlite3
from pathlib import Path

from cloud.config_usage import UsageSettings
from cloud.schema import CameraRow
from cloud.store import Store
from cloud.usage.periods import Grain
from cloud.usage.query import Usage
from tests.cloud.schemas import migrate
from tests.cloud.usage.reporting import BOOT_MS, rollup, sums


def test_what_was_received_before_is_where_counting_begins(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    migrate(f"sqlite:///{path}", "0010")
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO devices VALUES (1, 'acme', 'north', 'old', NULL, 0)")
        connection.execute("INSERT INTO cameras VALUES (1, 1, 'gate', NULL, NULL, NULL, 2, 900)")
        connection.execute("INSERT INTO cameras VALUES (2, 1, 'door', NULL, NULL, NULL, 2, 100)")
    store = Store(f"sqlite:///{path}")
    rollup(store, BOOT_MS)
    assert sums(store, "", Grain.EVER) == {}
    with store.write() as session:
        session.get_one(CameraRow, 1).received += 50
    rollup(store, BOOT_MS)
    usage = Usage(store, UsageSettings())
    assert usage.totals("acme/north/old", BOOT_MS, BOOT_MS + 3_600_000).received == 50
    store.close()
