"""The public keys that documents of clips were signed with."""

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from cloud.schema.base import Base


class ProvenanceKeyRow(Base):
    """A public key (hex of 32 bytes) by its name (`cloud.provenance.signing`); when a process began with it.

    It stays for ever: what was signed with it may be anywhere.
    """

    __tablename__ = "provenance_keys"

    key_id: Mapped[str] = mapped_column(String(16), primary_key=True)
    public_hex: Mapped[str] = mapped_column(String(64))
    since_ms: Mapped[int] = mapped_column(BigInteger)
    used_ms: Mapped[int] = mapped_column(BigInteger)
