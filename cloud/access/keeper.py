"""Tells who a token or a browser's cookie belongs to, and keeps that in mind for a few seconds.

token  --SHA-256--> tokens                            what is revoked is refused after `REMEMBERED_MS`
cookie --SHA-256--> page_sessions --> tokens          at the latest, by other processes, too
"""

import hashlib
import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass

import structlog
from sqlalchemy import delete
from sqlalchemy.orm import Session

from cloud.access import tokens
from cloud.access.roles import Caller
from cloud.clock import Clock, wall_ms
from cloud.schema import PageSessionRow, TokenRow
from cloud.store import Store, StoreError

REMEMBERED_MS = 2_000
_MOST = 10_000  # that are remembered; whoever is forgotten is looked up again
_COOKIE_BYTES = 32

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Credential:
    """What a request brings: the text of a token, or of a browser's cookie."""

    text: str
    is_cookie: bool

    @property
    def key(self) -> str:
        """Name it without its secret."""
        return hashlib.sha256(f"{'c' if self.is_cookie else 't'}{self.text}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Memory:
    caller: Caller
    until_ms: int


class Keeper:
    """Knows tokens and logins; safe to share between threads. Raises StoreError where it has to read."""

    def __init__(self, store: Store, session_ms: int, clock: Clock = wall_ms) -> None:
        self._store = store
        self._session_ms = session_ms
        self._clock = clock
        self._known: OrderedDict[str, _Memory] = OrderedDict()
        self._lock = threading.Lock()

    def recalled(self, credential: Credential) -> Caller | None:
        """Tell whose a credential is without reading the store; None if that is not known now."""
        with self._lock:
            known = self._known.get(credential.key)
        return known.caller if known is not None and self._clock() < known.until_ms else None

    def caller(self, credential: Credential) -> Caller | None:
        """Tell whose a credential is; None if it is not valid."""
        known = self.recalled(credential)
        if known is not None:
            return known
        now_ms = self._clock()
        with self._store.read() as session:
            found = _found(session, credential, now_ms)
            if found is None:
                self._forget(credential)
                return None
            row, ends_ms = found
            caller, stale = tokens.caller_of(row), tokens.wants_touch(row, now_ms)
        if stale:
            self._touch(row.id, now_ms)
        self._remember(credential, caller, min(now_ms + REMEMBERED_MS, ends_ms))
        return caller

    def log_in(self, written: str) -> str | None:
        """Give a cookie for a token; None if it is not valid."""
        known = self.caller(Credential(written, is_cookie=False))
        if known is None or known.token_id is None:
            return None
        now_ms, cookie = self._clock(), secrets.token_urlsafe(_COOKIE_BYTES)
        with self._store.write() as session:
            session.execute(delete(PageSessionRow).where(PageSessionRow.expires_ms <= now_ms))
            ends_ms = session.get_one(TokenRow, known.token_id).expires_ms
            expires_ms = min(now_ms + self._session_ms, ends_ms or now_ms + self._session_ms)
            session.add(
                PageSessionRow(
                    sha256=_hashed(cookie), token_id=known.token_id, created_ms=now_ms, expires_ms=expires_ms
                )
            )
        return cookie

    def log_out(self, cookie: str) -> None:
        """Forget a browser."""
        with self._store.write() as session:
            session.execute(delete(PageSessionRow).where(PageSessionRow.sha256 == _hashed(cookie)))
        self._forget(Credential(cookie, is_cookie=True))

    def _touch(self, token_id: str, now_ms: int) -> None:
        try:
            with self._store.write() as session:
                tokens.touch(session, token_id, now_ms)
        except StoreError as error:  # whoever only looks is not to be stopped by a full disk
            log.warning("the use of a token is not written down", token=token_id, error=str(error))

    def _remember(self, credential: Credential, caller: Caller, until_ms: int) -> None:
        with self._lock:
            self._known[credential.key] = _Memory(caller, until_ms)
            self._known.move_to_end(credential.key)
            while len(self._known) > _MOST:
                self._known.popitem(last=False)

    def _forget(self, credential: Credential) -> None:
        with self._lock:
            self._known.pop(credential.key, None)


def _found(session: Session, credential: Credential, now_ms: int) -> tuple[TokenRow, int] | None:
    """Give the token of what is valid, and until when it is at most."""
    if not credential.is_cookie:
        row = tokens.find(session, credential.text, now_ms)
        return None if row is None else (row, row.expires_ms or now_ms + REMEMBERED_MS)
    login = session.get(PageSessionRow, _hashed(credential.text))
    if login is None or login.expires_ms <= now_ms:
        return None
    row = session.get_one(TokenRow, login.token_id)
    return (row, login.expires_ms) if tokens.is_valid(row, now_ms) else None


def _hashed(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()
