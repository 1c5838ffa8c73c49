"""What only one process does at a time: whoever holds the lease of it, and renews that.

    free --hold--> mine until `lease_ms` --hold--> mine until later --release--> free
                        '-- not renewed in time, or the clock was set back: whoever comes next has it

No fence: who has a duty may for a moment not be alone with it, so it must bear to be done twice.
"""

from sqlalchemy import delete, or_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from cloud.registry import table_of
from cloud.schema import DutyRow

_DUTIES = table_of(DutyRow)


def hold(session: Session, name: str, holder: str, now_ms: int, for_ms: int) -> bool:
    """Take a duty, or keep it; False if another process has it."""
    on_postgresql = session.get_bind().dialect.name == "postgresql"
    insert = (postgresql if on_postgresql else sqlite).insert(_DUTIES)
    mine = {"holder": holder, "lease_ms": now_ms + for_ms}
    free = or_(
        _DUTIES.c.holder == holder, _DUTIES.c.lease_ms < now_ms, _DUTIES.c.lease_ms > now_ms + 2 * for_ms
    )
    taken = insert.values(name=name, **mine).on_conflict_do_update(
        index_elements=["name"], set_=mine, where=free
    )
    return session.connection().scalar(taken.returning(_DUTIES.c.name)) is not None


def release(session: Session, name: str, holder: str) -> None:
    """Let others have a duty at once, if it is still this process's."""
    session.connection().execute(delete(_DUTIES).where(_DUTIES.c.name == name, _DUTIES.c.holder == holder))
