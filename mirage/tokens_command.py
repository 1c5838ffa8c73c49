"""`mirage cloud tokens`: tokens of API and page, made, listed and revoked in the store."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.table import Table

from cloud.access import tokens
from cloud.access.roles import EVERYWHERE, Role, Scope
from cloud.access.tokens import TokenView, Wanted
from cloud.clock import wall_ms
from cloud.config import load
from cloud.store import Store
from mirage.errors import InputError
from mirage.output import as_json, print_line, print_tables, time_text

_UNITS_MS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000}
_MOST_MS = 100 * 366 * _UNITS_MS["d"]


def create(config: Path, name: str, role: str, scope: str | None, expires: str | None, *, json: bool) -> None:
    """Make a token and print its secret. Raises TokenError, ScopeError, InputError."""
    now_ms = wall_ms()
    expires_ms = None if expires is None else now_ms + duration_ms(expires)
    wanted = Wanted(name, Role[role.upper()], Scope.parse(scope), expires_ms)
    with _store(config) as store, store.write() as session:
        made = tokens.create(session, wanted, now_ms)
    if json:
        print_line(as_json(made))
        return
    token = made.token
    until = "until it is revoked" if token.expires_ms is None else f"until {time_text(token.expires_ms)}"
    print_line(f"token {token.id} ({token.name}, {token.role} of {_scope(token.scope)}), valid {until}")
    print_line(made.secret)
    print_line("Keep it: it is not shown again. Send it as `Authorization: Bearer`, or log in with it.")


def show(config: Path, *, json: bool) -> None:
    """List all tokens."""
    with _store(config) as store, store.read() as session:
        found = tokens.listed(session, EVERYWHERE, wall_ms())
    if json:
        print_line(as_json({"tokens": found}))
        return
    print_tables(_table(found))


def revoke(config: Path, token_id: str, *, json: bool) -> None:
    """Make a token invalid. Raises TokenError."""
    with _store(config) as store, store.write() as session:
        token = tokens.revoke(session, token_id, EVERYWHERE, wall_ms())
    print_line(as_json(token) if json else f"token {token.id} ({token.name}): revoked")


def duration_ms(text: str) -> int:
    """Read 90d, 12h or 30m, or raise InputError."""
    match = re.fullmatch(r"([0-9]{1,9})([dhm])", text)
    found = int(match[1]) * _UNITS_MS[match[2]] if match else 0
    if not 0 < found <= _MOST_MS:
        raise InputError(f"--expires {text!r}: give a time up to a hundred years, as 90d, 12h or 30m")
    return found


def _table(found: Sequence[TokenView]) -> Table:
    table = Table("id", "name", "role", "scope", "state", "made", "expires", "used")
    for token in found:
        table.add_row(
            token.id, token.name, token.role, _scope(token.scope), token.state, time_text(token.created_ms),
            time_text(token.expires_ms), time_text(token.used_ms),
        )  # fmt: skip
    return table


def _scope(path: str | None) -> str:
    return path or "the whole fleet"


@contextmanager
def _store(config: Path) -> Iterator[Store]:
    store = Store(load(config).store.url)
    try:
        yield store
    finally:
        store.close()
