"""Counts that outlive processes, and are those of all of them."""

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from cloud.registry import table_of
from cloud.schema import TallyRow

_TALLIES = table_of(TallyRow)


def add(session: Session, name: str, count: int = 1) -> None:
    """Count on."""
    on_postgresql = session.get_bind().dialect.name == "postgresql"
    insert = (postgresql if on_postgresql else sqlite).insert(_TALLIES).values(name=name, count=count)
    more = {"count": _TALLIES.c.count + count}
    session.connection().execute(insert.on_conflict_do_update(index_elements=["name"], set_=more))


def count(session: Session, name: str) -> int:
    """Tell how much was counted."""
    return session.connection().scalar(select(_TALLIES.c.count).where(_TALLIES.c.name == name)) or 0
