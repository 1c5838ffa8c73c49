"""The spool's SQLite file: its tables, its checks, and its former version.

    WAL, synchronous=FULL, PRAGMA user_version = VERSION

Every row has a checksum, because SQLite has none and a flipped bit would go out as a packet.
"""

import sqlite3
import zlib
from collections.abc import Iterator
from pathlib import Path

import structlog

from edge.private_file import keep_private
from edge.shedding import traits
from edge.spool_replacement import adopt
from wire.packet import BOOT_ID_BYTES

VERSION = 1
_LOG_PAGES = 128  # 512 KiB: what is in the log must fit into the reserve of a full disk

_SCHEMA = (
    "CREATE TABLE boots (id BLOB PRIMARY KEY, birth BLOB NOT NULL, checksum INTEGER NOT NULL) STRICT",
    """CREATE TABLE packets (
        position INTEGER PRIMARY KEY,
        boot BLOB NOT NULL,
        sequence INTEGER NOT NULL,
        camera TEXT NOT NULL,
        appended_s REAL NOT NULL,
        refresh INTEGER NOT NULL,
        detail INTEGER NOT NULL,
        body BLOB NOT NULL,
        checksum INTEGER NOT NULL,
        UNIQUE (boot, sequence)
    ) STRICT""",
    """CREATE TABLE gaps (
        position INTEGER PRIMARY KEY,
        boot BLOB NOT NULL,
        low INTEGER NOT NULL,
        high INTEGER NOT NULL,
        reason INTEGER NOT NULL,
        camera TEXT NOT NULL,
        captured_ms INTEGER NOT NULL,
        appended_s REAL NOT NULL,
        checksum INTEGER NOT NULL
    ) STRICT""",
)
_CONTENT = {  # what of each table a checksum is made of
    "boots": "id, birth",
    "packets": "boot, sequence, camera, body",
    "gaps": "boot, low, high, reason, camera, captured_ms",
}

log = structlog.get_logger()


def checksum(*fields: bytes | int | str) -> int:
    """Sum up a row's content, in the order of its table."""
    value = 0
    for field in fields:
        data = field if isinstance(field, bytes) else str(field).encode()
        value = zlib.crc32(b"%d:" % len(data), zlib.crc32(data, value))
    return value


def open_file(path: Path) -> sqlite3.Connection:
    """Open a spool, made or brought up to date if need be. Raises sqlite3.Error, DatabaseError for damage."""
    adopt(path, is_whole=_is_finished)
    connection = _connect(path)
    try:
        _prepare(connection)
    except UnicodeDecodeError as error:
        connection.close()
        raise sqlite3.DatabaseError("its schema is damaged") from error
    except BaseException:
        connection.close()
        raise
    return connection


def look(path: Path) -> tuple[int, int, int]:
    """Count packets, bytes of bodies, and gap records of a spool that may be in use; changes nothing.

    Raises sqlite3.Error for one that cannot be used.
    """
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    try:
        return _counted(connection)
    except UnicodeDecodeError as error:  # sqlite3 fails to quote a schema that is no text
        raise sqlite3.DatabaseError("its schema is damaged") from error
    finally:
        connection.close()


def _counted(connection: sqlite3.Connection) -> tuple[int, int, int]:
    version = _version(connection)
    if version == VERSION:
        _check(connection)
    elif version != 0:
        raise sqlite3.DatabaseError(f"schema version is {version}, this program knows {VERSION}")
    packets = "SELECT count(*), coalesce(sum(length(body)), 0) FROM packets"
    count, body_bytes = connection.execute(packets).fetchone()
    gaps = connection.execute("SELECT count(*) FROM gaps").fetchone()[0] if version else 0
    return count, body_bytes, gaps


def is_damage(error: Exception) -> bool:
    """Tell a file that is broken from one that cannot be reached, or written for want of room."""
    elsewhere = ("full", "locked", "unable to open", "busy")
    return isinstance(error, sqlite3.Error) and not any(word in str(error) for word in elsewhere)


def rows(connection: sqlite3.Connection, table: str, columns: str) -> Iterator[tuple[object, ...]]:
    """Give all rows that can be read and are whole: from the front up to damage, then from the back."""
    seen = set[object]()
    width = len(columns.split(","))
    for order in ("ASC", "DESC"):
        query = f"SELECT rowid, {columns}, checksum, {_CONTENT[table]} FROM {table} ORDER BY rowid {order}"  # noqa: S608 (constants)
        for rowid, *values in readable(connection, query):
            if rowid not in seen and _is_whole(values[width], values[width + 1 :]):
                seen.add(rowid)
                yield tuple(values[:width])


def readable(connection: sqlite3.Connection, query: str, *arguments: bytes) -> Iterator[tuple[object, ...]]:
    """Give rows up to the first that is not readable."""
    try:
        yield from connection.execute(query, arguments)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        log.warning("spool: not all of a table is readable", reason=str(error))


def create(path: Path) -> sqlite3.Connection:
    """Make an empty spool in one transaction that the caller commits: before that it has no version."""
    path.unlink(missing_ok=True)
    keep_private(path)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("BEGIN IMMEDIATE")
    _create(connection)
    return connection


def _is_finished(path: Path) -> bool:
    connection = sqlite3.connect(path)
    try:
        return _version(connection) == VERSION
    except sqlite3.DatabaseError:
        return False
    finally:
        connection.close()


def _connect(path: Path) -> sqlite3.Connection:
    keep_private(path)
    connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    connection.text_factory = _text
    return connection


def _text(data: bytes) -> str:
    return data.decode(errors="replace")


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint={_LOG_PAGES}")
    version = _version(connection)
    if version not in (0, VERSION):
        raise sqlite3.DatabaseError(f"schema version is {version}, this program knows {VERSION}")
    if version == VERSION:
        _check(connection)
    connection.execute("BEGIN IMMEDIATE")
    if version == 0:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE name = 'packets'").fetchall()
        if tables:
            _migrate(connection)
        else:
            _create(connection)
    connection.execute(f"PRAGMA user_version = {VERSION}")  # written always: a file may refuse to be
    connection.execute("COMMIT")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _create(connection: sqlite3.Connection) -> None:
    for statement in _SCHEMA:
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {VERSION}")


def _check(connection: sqlite3.Connection) -> None:
    (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if verdict != "ok":
        raise sqlite3.DatabaseError(str(verdict))
    for table, content in _CONTENT.items():
        for value, *fields in connection.execute(f"SELECT checksum, {content} FROM {table}"):  # noqa: S608 (constants)
            if not _is_whole(value, fields):
                raise sqlite3.DatabaseError(f"table {table}: a row's checksum is wrong")


def _is_whole(value: object, fields: list[object]) -> bool:
    known = [field for field in fields if isinstance(field, bytes | int | str)]
    return len(known) == len(fields) and checksum(*known) == value


def _migrate(connection: sqlite3.Connection) -> None:
    """Bring a file of the first version, which had no number, up to date. Its packets' age begins anew."""
    (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if verdict != "ok":
        raise sqlite3.DatabaseError(str(verdict))
    for table in ("boots", "packets"):
        connection.execute(f"ALTER TABLE {table} RENAME TO former_{table}")
    _create(connection)
    for boot, birth in connection.execute("SELECT id, birth FROM former_boots WHERE birth IS NOT NULL"):
        connection.execute("INSERT INTO boots VALUES (?, ?, ?)", (boot, birth, checksum(boot, birth)))
    former = connection.execute("SELECT position, boot, sequence, camera, body FROM former_packets")
    for position, boot, sequence, camera, body in former:
        if len(boot) == BOOT_ID_BYTES:
            insert_packet(connection, position, boot, sequence, camera, body, 0.0)
    for table in ("boots", "packets"):
        connection.execute(f"DROP TABLE former_{table}")


def insert_packet(
    connection: sqlite3.Connection,
    position: int,
    boot: bytes,
    sequence: int,
    camera: str,
    body: bytes,
    appended_s: float,
) -> None:
    """Add a packet's row."""
    seen = traits(body)
    value = checksum(boot, sequence, camera, body)
    connection.execute(
        "INSERT INTO packets VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (position, boot, sequence, camera, appended_s, seen.refresh, seen.detail_bytes, body, value),
    )
