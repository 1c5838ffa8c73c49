"""The public keys of this cloud: whoever begins to sign notes its own, and none is ever forgotten."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.provenance.signing import ALGORITHM, key_id, to_pem
from cloud.schema import ProvenanceKeyRow


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that documents are, or were, signed with.

    `since_ms` is when a process first began to sign with it, `used_ms` when one last did; `current` is the
    one that did last.
    """

    key: str
    algorithm: str
    pem: str
    since_ms: int
    used_ms: int
    current: bool


def note(session: Session, public: bytes, now_ms: int) -> None:
    """Note that a process begins to sign with a key of 32 bytes."""
    name = key_id(public)
    row = session.get(ProvenanceKeyRow, name)
    if row is None:
        row = ProvenanceKeyRow(key_id=name, public_hex=public.hex(), since_ms=now_ms, used_ms=now_ms)
        session.add(row)
    row.used_ms = max(row.used_ms, now_ms)


def known(session: Session) -> Sequence[PublicKey]:
    """List all keys, the one that began last first."""
    rows = session.scalars(
        select(ProvenanceKeyRow).order_by(ProvenanceKeyRow.used_ms.desc(), ProvenanceKeyRow.since_ms.desc())
    ).all()
    return [
        PublicKey(
            row.key_id, ALGORITHM, to_pem(bytes.fromhex(row.public_hex)).decode(), row.since_ms, row.used_ms,
            current=place == 0,
        )
        for place, row in enumerate(rows)
    ]  # fmt: skip
