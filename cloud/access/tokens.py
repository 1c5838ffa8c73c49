"""Tokens: made once, known to the store only by their SHA-256.

mrg_  4f0c9a12be77  _  hM3v…            id, which is no secret, and 256 random bits
      '- in lists      '- shown once

The secret has as much entropy as its hash, so it needs no slow hash; the id finds its row, and the hash is
compared in constant time.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from cloud.access.roles import EVERYWHERE, Caller, Role, Scope
from cloud.schema import PageSessionRow, TokenRow

MAX_NAME = 64
_ID_BYTES = 6
_SECRET_BYTES = 32
_WRITTEN = re.compile(r"mrg_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
_NOBODY = bytes(32)
_USED_MS = 600_000  # a token that is used all the time is written down so often


class TokenError(ValueError):
    """A token cannot be made or revoked; the message says why."""


@dataclass(frozen=True, slots=True)
class TokenView:
    """A token without its secret. `state` is valid, expired or revoked."""

    id: str
    name: str
    role: str
    scope: str | None
    state: str
    created_ms: int
    expires_ms: int | None
    used_ms: int | None
    revoked_ms: int | None


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that has just been made, with the only copy of its secret."""

    token: TokenView
    secret: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """A token to make. `expires_ms` is None for one that stays valid until it is revoked."""

    name: str
    role: Role
    scope: Scope = EVERYWHERE
    expires_ms: int | None = None


def create(session: Session, wanted: Wanted, now_ms: int) -> NewToken:
    """Make a token. Raises TokenError if one that is valid is called so, or it would never be valid."""
    name = wanted.name.strip()
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
        raise TokenError(f"name {wanted.name!r}: give 1 to {MAX_NAME} letters")
    if wanted.expires_ms is not None and wanted.expires_ms <= now_ms:
        raise TokenError(f"token {name!r}: would have expired already")
    namesakes = session.scalars(select(TokenRow).where(TokenRow.name == name))
    if any(_state(row, now_ms) == "valid" for row in namesakes):
        raise TokenError(f"token {name!r}: is there already; revoke it first, or choose another name")
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    row = TokenRow(
        id=secrets.token_hex(_ID_BYTES),
        name=name,
        role=wanted.role.label,
        scope=wanted.scope.path,
        sha256=_hashed(secret),
        created_ms=now_ms,
        expires_ms=wanted.expires_ms,
    )
    session.add(row)
    session.flush()
    return NewToken(_view(row, now_ms), f"mrg_{row.id}_{secret}")


def listed(session: Session, scope: Scope, now_ms: int) -> list[TokenView]:
    """List the tokens of a scope, the newest first; also those that are no longer valid."""
    rows = session.scalars(select(TokenRow).order_by(TokenRow.created_ms.desc(), TokenRow.id))
    return [_view(row, now_ms) for row in rows if _is_within(row, scope)]


def revoke(session: Session, token_id: str, scope: Scope, now_ms: int) -> TokenView:
    """Make a token invalid, and log out who came with it. Raises TokenError if the scope has none such."""
    row = session.get(TokenRow, token_id)
    if row is None or not _is_within(row, scope):
        raise TokenError(f"no token {token_id}")
    if row.revoked_ms is None:
        row.revoked_ms = now_ms
    session.execute(delete(PageSessionRow).where(PageSessionRow.token_id == token_id))
    session.flush()
    return _view(row, now_ms)


def find(session: Session, written: str, now_ms: int) -> TokenRow | None:
    """Give the row of a token that is valid, None for whatever else is written."""
    match = _WRITTEN.fullmatch(written)
    if match is None:
        return None
    row = session.get(TokenRow, match[1])
    known = hmac.compare_digest(_hashed(match[2]), _NOBODY if row is None else row.sha256)
    return row if row is not None and known and is_valid(row, now_ms) else None


def is_valid(row: TokenRow, now_ms: int) -> bool:
    """Tell whether a token is neither expired nor revoked."""
    return _state(row, now_ms) == "valid"


def caller_of(row: TokenRow) -> Caller:
    """Give who has a token."""
    return Caller(row.name, Role[row.role.upper()], Scope.parse(row.scope), row.id)


def wants_touch(row: TokenRow, now_ms: int) -> bool:
    """Tell whether it is time to write down that a token is used."""
    return row.used_ms is None or now_ms - row.used_ms >= _USED_MS


def touch(session: Session, token_id: str, now_ms: int) -> None:
    """Write down that a token is used."""
    session.execute(update(TokenRow).where(TokenRow.id == token_id).values(used_ms=now_ms))


def _hashed(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _is_within(row: TokenRow, scope: Scope) -> bool:
    return scope.is_everything or (row.scope is not None and scope.covers(row.scope))


def _state(row: TokenRow, now_ms: int) -> str:
    if row.revoked_ms is not None:
        return "revoked"
    return "expired" if row.expires_ms is not None and row.expires_ms <= now_ms else "valid"


def _view(row: TokenRow, now_ms: int) -> TokenView:
    return TokenView(
        row.id, row.name, row.role, row.scope, _state(row, now_ms), row.created_ms, row.expires_ms,
        row.used_ms, row.revoked_ms,
    )  # fmt: skip
