"""Questions to a spool's file that change nothing."""

import sqlite3

_ROWS = "SELECT position, boot, appended_s FROM packets UNION ALL SELECT position, boot, appended_s FROM gaps"


def waiting_through(database: sqlite3.Connection, position: int) -> int:
    """Count packets and gap records up to a position."""
    query = f"SELECT count(*) FROM ({_ROWS}) WHERE position <= ?"  # noqa: S608 (constant)
    return int(database.execute(query, (position,)).fetchone()[0])


def settled(database: sqlite3.Connection, boot_id: bytes, before_s: float) -> int:
    """Give the last position of another boot, or of what was appended before a time; 0 if there is none."""
    query = f"SELECT coalesce(max(position), 0) FROM ({_ROWS}) WHERE boot != ? OR appended_s <= ?"  # noqa: S608 (constant)
    return int(database.execute(query, (boot_id, before_s)).fetchone()[0])


def oldest_s(database: sqlite3.Connection) -> float | None:
    """Tell when the oldest packet or gap record was appended; None if there is none."""
    found = database.execute(f"SELECT min(appended_s) FROM ({_ROWS})").fetchone()[0]  # noqa: S608 (constant)
    return None if found is None else float(found)
