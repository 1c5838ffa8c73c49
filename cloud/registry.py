"""Row ids of devices, boots and cameras by name, made when first heard of.

They never change once they are committed, so a process remembers them. Several processes may hear of the same
device at once: the row of the first stays.
"""

from collections import OrderedDict
from collections.abc import Hashable
from typing import cast

from sqlalchemy import Table, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from cloud.schema import Base, BootRow, CameraRow, DeviceRow
from cloud.store import Store
from wire.topics import Topic

Columns = dict[str, str | int | bytes]

MAX_KNOWN = 65_536  # ids remembered; those not used for longest are looked up again


class Registry:
    """Finds and makes rows, each new one in a transaction of its own. For one thread; raises StoreError."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ids: OrderedDict[Hashable, int] = OrderedDict()

    def device(self, topic: Topic, now_ms: int) -> int:
        """Give the device that a topic names."""
        names: Columns = {"tenant": topic.tenant, "site": topic.site, "name": topic.device}
        return self._id(DeviceRow, names, {"seen_ms": now_ms})

    def known_device(self, topic: Topic) -> int | None:
        """Give the device that a topic names, if it was heard of."""
        names: Columns = {"tenant": topic.tenant, "site": topic.site, "name": topic.device}
        return self._known(DeviceRow, names)

    def boot(self, device_id: int, boot_hex: str, now_ms: int) -> int:
        """Give one boot of a device."""
        names: Columns = {"device_id": device_id, "boot_hex": boot_hex}
        more: Columns = {"changed_ms": now_ms, "state": "unknown", "highest": -1, "holes": "[]"}
        more |= {"derived": -1, "lease_ms": 0}
        return self._id(BootRow, names, more)

    def camera(self, device_id: int, name: str) -> int:
        """Give one camera of a device."""
        known = self._ids.get((CameraRow, device_id, name))  # asked for each packet
        if known is not None:
            return known
        return self._id(CameraRow, {"device_id": device_id, "name": name}, {"segments": 0, "bytes": 0})

    def _id(self, kind: type[Base], names: Columns, more: Columns) -> int:
        known = self._known(kind, names)
        if known is not None:
            return known
        with self._store.write() as session:
            insert_missing(session, kind, [names | more])
        found = self._known(kind, names)
        if found is None:
            raise LookupError(f"{kind.__tablename__} {names} is not there though it was just written")
        return found

    def _known(self, kind: type[Base], names: Columns) -> int | None:
        key = (kind, *names.values())
        row_id = self._ids.get(key)
        if row_id is not None:
            self._ids.move_to_end(key)
            return row_id
        table = table_of(kind)
        with self._store.read() as session:
            row_id = session.scalar(
                select(table.c.id).where(*(table.c[name] == names[name] for name in names))
            )
        if row_id is not None:
            self._ids[key] = row_id
            if len(self._ids) > MAX_KNOWN:
                self._ids.popitem(last=False)
        return row_id


def table_of(kind: type[Base]) -> Table:
    """Give the table of a kind of row, for statements without objects."""
    return cast("Table", kind.__table__)


def insert_missing(session: Session, kind: type[Base], rows: list[Columns]) -> None:
    """Insert rows; those whose unique columns are taken are left out, also if another process is quicker."""
    on_postgresql = session.get_bind().dialect.name == "postgresql"
    insert = (postgresql if on_postgresql else sqlite).insert(table_of(kind))
    session.connection().execute(insert.on_conflict_do_nothing(), rows)
