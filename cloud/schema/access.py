"""Who may use API and page."""

from sqlalchemy import BigInteger, ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from cloud.schema.base import Base


class TokenRow(Base):
    """A token, of whose secret only the SHA-256 is kept; `id` is the part of it that is not secret.

    `scope` is TENANT or TENANT/SITE, null for the whole fleet. Without `expires_ms` it is valid until
    `revoked_ms`. `used_ms` is within ten minutes of when it was last used.
    """

    __tablename__ = "tokens"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    role: Mapped[str] = mapped_column(String(16))
    scope: Mapped[str | None] = mapped_column(String(65))
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    created_ms: Mapped[int] = mapped_column(BigInteger)
    expires_ms: Mapped[int | None] = mapped_column(BigInteger)
    used_ms: Mapped[int | None] = mapped_column(BigInteger)
    revoked_ms: Mapped[int | None] = mapped_column(BigInteger)


class PageSessionRow(Base):
    """A browser that has logged in with a token; `sha256` is that of what its cookie says, in hex."""

    __tablename__ = "page_sessions"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    token_id: Mapped[str] = mapped_column(ForeignKey("tokens.id", ondelete="CASCADE"), index=True)
    created_ms: Mapped[int] = mapped_column(BigInteger)
    expires_ms: Mapped[int] = mapped_column(BigInteger, index=True)
