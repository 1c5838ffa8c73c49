"""The store: one database, brought to the newest schema when it is opened.

sqlite:////var/lib/mirage/store.db    the default: WAL, synchronous=FULL, so that what was
                                      acknowledged to a device survives a power cut
postgresql+psycopg://user@host/name   the driver is the operator's to install
"""

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.util import CommandError
from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

_MIGRATIONS = Path(__file__).parent / "migrations"
_BUSY_S = 30  # how long a writer waits for another before it gives up
_LOOK_S = 0.05  # between two looks whether a new file is still locked
_MIGRATING = 0x6D697261  # of several processes that start at once, one migrates and the others wait
_READING = "mirage_reading"  # marks connections that must not take SQLite's write lock


class StoreError(RuntimeError):
    """The database cannot be opened, read or written; the message names it without its password."""


class ContentError(StoreError):
    """The database works, but refuses what was to be written: trying again would not help."""


class Store:
    """Opens transactions. Safe to share between threads; close it when done."""

    def __init__(self, url: str) -> None:
        self._url = _parse(url)
        self.errors = {"content": 0, "database": 0}  # raised since the start, by kind
        self._engine = _engine(self._url)
        self._reading = self._engine.execution_options(**{_READING: True})
        try:
            _migrate(self._engine)
        except StoreError:
            self.close()
            raise
        except (DBAPIError, CommandError, OSError, ImportError) as error:
            self.close()
            raise StoreError(f"store {self.name}: {_reason(error)}") from error

    @property
    def name(self) -> str:
        return self._url.render_as_string(hide_password=True)

    @contextmanager
    def write(self) -> Iterator[Session]:
        """One transaction: all of it is durable when the block ends, or none. Raises StoreError."""
        with self._guarded(), Session(self._engine) as session, session.begin():
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Open a session that takes no lock. Raises StoreError."""
        with self._guarded(), Session(self._reading, autoflush=False) as session:
            yield session

    def check(self) -> None:
        """Raise StoreError unless the database answers."""
        with self.read() as session:
            session.execute(text("SELECT 1"))

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except (IntegrityError, DataError) as error:
            self.errors["content"] += 1
            raise ContentError(f"store {self.name}: {_reason(error)}") from error
        except (DBAPIError, PoolTimeoutError) as error:
            self.errors["database"] += 1
            raise StoreError(f"store {self.name}: {_reason(error)}") from error


def lock_alone(session: Session, what: int) -> None:
    """Wait until no other transaction holds `what`, and hold it to the end of this one.

    On SQLite whoever writes is alone anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:what)"), {"what": what})
    else:
        session.connection()  # begins, which takes the lock


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
        parsed.get_dialect()
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise StoreError(f"store url is not understood: {_reason(error)}") from error
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise StoreError(f"store {url}: needs a file, nothing would survive in memory")
    return parsed


def _engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        # The API answers on up to 40 threads, beside ingest and workers.
        return create_engine(url, pool_pre_ping=True, pool_size=10, max_overflow=40)
    _keep_private(url)
    try:
        engine = create_engine(url, connect_args={"timeout": _BUSY_S, "check_same_thread": False})
    except ArgumentError as error:
        raise StoreError(f"store url is not understood: {_reason(error)}") from error
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _keep_private(url: URL) -> None:
    """Make the file for its owner only: it holds secrets of connections. SQLite's other files follow it."""
    path = Path(url.database or "")
    with contextlib.suppress(OSError):  # SQLite says what is wrong
        path.touch(mode=0o600, exist_ok=True)


def _prepare_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    # SQLite's own module would begin transactions late, as readers that then fail to become writers.
    connection.isolation_level = None
    cursor = connection.cursor()
    _switch_to_wal(cursor)
    for pragma in ("synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _switch_to_wal(cursor: DBAPICursor) -> None:
    """Wait for whoever writes to a new file, as another process does that opens it too: SQLite does not."""
    end_s = time.monotonic() + _BUSY_S
    while not _is_wal(cursor, last=time.monotonic() >= end_s):
        time.sleep(_LOOK_S)


def _is_wal(cursor: DBAPICursor, *, last: bool) -> bool:
    try:
        cursor.execute("PRAGMA journal_mode=WAL")
    except sqlite3.OperationalError as error:
        if last or error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise
        return False
    return True


def _begin_sqlite(connection: Connection) -> None:
    if not connection.get_execution_options().get(_READING):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _migrate(engine: Engine) -> None:
    config = AlembicConfig()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":  # on SQLite, BEGIN IMMEDIATE has locked all others out
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATING})"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _reason(error: Exception) -> str:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
