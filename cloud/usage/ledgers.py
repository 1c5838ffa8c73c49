"""Ledgers of devices, as they are stored."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec
from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.orm import Session

from cloud.registry import table_of
from cloud.schema import CameraRow, DeviceRow, UsageLedgerRow
from cloud.usage import parts
from cloud.usage.reckoning import Base, Ledger

_LEDGERS = table_of(UsageLedgerRow)
_COLUMNS = tuple(column.name for column in _LEDGERS.c)
_UPDATE = (
    update(_LEDGERS)
    .where(_LEDGERS.c.device_id == bindparam("b_device_id"))
    .values({name: bindparam(name) for name in _COLUMNS if name != "device_id"})
)
_bases = msgspec.json.Decoder(dict[str, list[int | None]])
_sizes = msgspec.json.Decoder(dict[str, int])


@dataclass(slots=True)
class Book:
    """A device with its ledger. The cloud `received` so many bytes of each camera; `seen` are in the sums."""

    device_id: int
    path: str
    ledger: Ledger
    is_new: bool
    seen: dict[str, int] = field(default_factory=dict)
    received: dict[str, int] = field(default_factory=dict)

    @property
    def news(self) -> int:
        """Bytes that were received since the last look."""
        return sum(self.received.values()) - sum(self.seen.values())


def changed(session: Session) -> list[int]:
    """Give the devices of which packets were received since the last look."""
    cameras = _received(session, None)
    seen = {
        row.device_id: row.received
        for row in session.execute(select(_LEDGERS.c.device_id, _LEDGERS.c.received))
    }
    return [
        device_id
        for device_id, received in cameras.items()
        if any(received.values()) and _encode(received) != seen.get(device_id)
    ]


def read(session: Session, device_ids: Sequence[int], now_ms: int) -> list[Book]:
    """Read the ledgers of devices, those that begin now where there are none, in the order of their ids."""
    devices = select(DeviceRow.id, DeviceRow.tenant, DeviceRow.site, DeviceRow.name)
    found = {
        row.device_id: row
        for row in session.execute(select(_LEDGERS).where(_LEDGERS.c.device_id.in_(device_ids)))
    }
    received = _received(session, device_ids)
    books = list[Book]()
    for row in session.execute(devices.where(DeviceRow.id.in_(device_ids)).order_by(DeviceRow.id)):
        stored, path = found.get(row.id), f"{row.tenant}/{row.site}/{row.name}"
        book = Book(
            row.id,
            path,
            Ledger({}, {}, since_ms=now_ms),
            is_new=stored is None,
            received=received.get(row.id, {}),
        )
        if stored is not None:
            base: Base = _bases.decode(stored.base)
            book.ledger = Ledger(
                parts.decode(stored.counted), base, stored.stated_ms, stored.last_boot, stored.last_s,
                stored.last_ms, stored.since_ms,
            )  # fmt: skip
            book.seen = _sizes.decode(stored.received)
        books.append(book)
    return books


def write(session: Session, books: Iterable[Book]) -> None:
    """Write ledgers, with all that was received by now."""
    rows = [(book.is_new, _row(book)) for book in books]
    connection = session.connection()
    if fresh := [row for is_new, row in rows if is_new]:
        connection.execute(insert(_LEDGERS), fresh)
    if there := [row for is_new, row in rows if not is_new]:
        connection.execute(
            _UPDATE,
            [{"b_device_id" if name == "device_id" else name: row[name] for name in row} for row in there],
        )


def _row(book: Book) -> dict[str, str | int | None]:
    ledger = book.ledger
    return {
        "device_id": book.device_id,
        "counted": parts.encode(ledger.counted),
        "base": msgspec.json.encode(ledger.base).decode(),
        "stated_ms": ledger.stated_ms,
        "last_boot": ledger.last_boot,
        "last_s": ledger.last_s,
        "last_ms": ledger.last_ms,
        "since_ms": ledger.since_ms,
        "received": _encode(book.received),
    }


def _received(session: Session, device_ids: Sequence[int] | None) -> dict[int, dict[str, int]]:
    query = select(CameraRow.device_id, CameraRow.name, CameraRow.received).order_by(CameraRow.id)
    if device_ids is not None:
        query = query.where(CameraRow.device_id.in_(device_ids))
    found: dict[int, dict[str, int]] = {}
    for row in session.execute(query):
        found.setdefault(row.device_id, {})[row.name] = row.received
    return found


def _encode(received: dict[str, int]) -> str:
    return msgspec.json.encode(received, order="sorted").decode()
