"""Stores brought to the schema of any version, and compared with what the code expects."""

from collections.abc import Sequence
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config as AlembicConfig
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from cloud import migrations
from cloud.schema import Base

MIGRATIONS = Path(migrations.__path__[0])


def migrate(url: str, revision: str) -> None:
    """Bring a store to a revision, forwards or back."""
    config = AlembicConfig()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    engine = create_engine(url)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        present = MigrationContext.configure(connection).get_current_revision() or "base"
        forwards = revision == "head" or present == "base" or (revision != "base" and revision > present)
        (command.upgrade if forwards else command.downgrade)(config, revision)
    engine.dispose()


def difference(url: str) -> Sequence[object]:
    """Compare a store's tables with those of the code; `search` is the databases' own (migration 0008)."""
    engine = create_engine(url)
    options = {"include_name": _is_ours}
    with engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata)
    engine.dispose()
    return list(found)


def _is_ours(name: str | None, kind: str, _parents: object) -> bool:
    return kind != "table" or name is None or name.split("_")[0] != "search"
