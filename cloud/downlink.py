"""What goes down to devices: sealed under the newest key of the device, with a counter that never repeats.

store: down_counter + 1 --commit--> frame --> published, or lost, or never: the counter is used up
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from cloud.schema import KeyRow
from cloud.store import Store
from wire import keys
from wire.envelope import SealedEnvelope


class Letter(NamedTuple):
    """What is to go to a device (row id)."""

    device_id: int
    topic: str
    body: bytes


class Downlink(Protocol):
    """Makes frames of letters."""

    def frames(self, letters: Sequence[Letter]) -> list[bytes | None]:
        """Give a frame for each letter; None for a device that has no key. Raises StoreError."""
        ...


class PlainDownlink:
    """Letters as they are."""

    def frames(self, letters: Sequence[Letter]) -> list[bytes | None]:
        return [letter.body for letter in letters]


class SealedDownlink:
    """Draws every counter in a transaction that is committed before anything is sealed with it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def frames(self, letters: Sequence[Letter]) -> list[bytes | None]:
        with self._store.write() as session:
            drawn = [_draw(session, letter.device_id) for letter in letters]
        return [
            None if nonce is None else nonce.envelope().seal(nonce.counter, letter.body, letter.topic)
            for nonce, letter in zip(drawn, letters, strict=True)
        ]


class _Nonce(NamedTuple):
    key_id: int
    secret: bytes
    counter: int

    def envelope(self) -> SealedEnvelope:
        return SealedEnvelope(keys.down(self.secret), self.key_id)


def _draw(session: Session, device_id: int) -> _Nonce | None:
    newest = select(KeyRow.id).where(KeyRow.device_id == device_id).order_by(KeyRow.id.desc()).limit(1)
    row_id = session.scalar(newest)
    if row_id is None:
        return None
    drawn = update(KeyRow).where(KeyRow.id == row_id).values(down_counter=KeyRow.down_counter + 1)
    found = session.execute(drawn.returning(KeyRow.key_id, KeyRow.secret, KeyRow.down_counter)).one()
    return _Nonce(found.key_id, found.secret, found.down_counter - 1)
