"""Tokens and logins, in both databases."""

import pytest

from cloud.access import tokens
from cloud.access.keeper import REMEMBERED_MS, Credential, Keeper
from cloud.access.roles import EVERYWHERE, Caller, Role, Scope
from cloud.access.tokens import NewToken, TokenError, TokenView, Wanted
from cloud.schema import PageSessionRow, TokenRow
from cloud.store import Store

NOW_MS = 1_790_000_000_000
DAY_MS = 86_400_000
NORTH = Scope.parse("acme/north")


class Time:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now_ms = NOW_MS

    def __call__(self) -> int:
        return self.now_ms


def make(store: Store, wanted: Wanted) -> NewToken:
    with store.write() as session:
        return tokens.create(session, wanted, NOW_MS)


def revoke(store: Store, token_id: str, scope: Scope = EVERYWHERE) -> TokenView:
    with store.write() as session:
        return tokens.revoke(session, token_id, scope, NOW_MS + 1)


def whose(keeper: Keeper, text: str | None, *, is_cookie: bool = False) -> Caller | None:
    assert text is not None
    return keeper.caller(Credential(text, is_cookie))


def test_a_token_tells_whose_it_is(any_store: Store) -> None:
    made = make(any_store, Wanted("wall", Role.VIEWER, NORTH))
    caller = whose(Keeper(any_store, DAY_MS, Time()), made.secret)
    assert caller == Caller("wall", Role.VIEWER, NORTH, made.token.id)


def test_the_store_knows_no_secret(any_store: Store) -> None:
    made = make(any_store, Wanted("wall", Role.VIEWER))
    with any_store.read() as session:
        row = session.get_one(TokenRow, made.token.id)
        assert len(row.sha256) == 32
        secret = made.secret.split("_", 2)[2]  # may hold more of them
        assert not [each for each in vars(row).values() if secret in str(each)]
    assert len({make(any_store, Wanted(f"wall {n}", Role.VIEWER)).secret for n in range(20)}) == 20


@pytest.mark.parametrize("spoil", ["", "x", "mrg_", "Bearer", "mrg_4f0c9a12be77_short"])
def test_what_is_no_token_is_nobodys(any_store: Store, spoil: str) -> None:
    assert whose(Keeper(any_store, DAY_MS, Time()), spoil) is None


def test_a_token_that_differs_anywhere_is_nobodys(store: Store) -> None:
    secret = make(store, Wanted("wall", Role.VIEWER)).secret
    other = make(store, Wanted("desk", Role.VIEWER)).secret
    keeper = Keeper(store, DAY_MS, Time())
    for place in range(len(secret)):
        changed = secret[:place] + ("A" if secret[place] != "A" else "B") + secret[place + 1 :]
        assert whose(keeper, changed) is None
    mixed = f"{secret[:17]}{other[17:]}"  # mrg_, twelve digits of its id, _
    assert whose(keeper, mixed) is None, "the secret of another token"


def test_a_token_expires(any_store: Store) -> None:
    time = Time()
    secret = make(any_store, Wanted("temp", Role.VIEWER, expires_ms=NOW_MS + DAY_MS)).secret
    keeper = Keeper(any_store, DAY_MS, time)
    time.now_ms = NOW_MS + DAY_MS - 1
    assert whose(keeper, secret) is not None
    time.now_ms += 1
    assert whose(keeper, secret) is None, "to the millisecond, although it was remembered"


def test_a_revoked_token_is_forgotten_within_seconds_by_other_processes(any_store: Store) -> None:
    time = Time()
    made = make(any_store, Wanted("temp", Role.VIEWER))
    keeper = Keeper(any_store, DAY_MS, time)
    assert whose(keeper, made.secret) is not None
    assert revoke(any_store, made.token.id).state == "revoked"
    time.now_ms += REMEMBERED_MS
    assert whose(keeper, made.secret) is None


def test_names_are_those_of_one_valid_token(any_store: Store) -> None:
    first = make(any_store, Wanted(" wall ", Role.VIEWER))
    with pytest.raises(TokenError, match="token 'wall': is there already; revoke it first"):
        make(any_store, Wanted("wall", Role.ADMIN))
    revoke(any_store, first.token.id)
    second = make(any_store, Wanted("wall", Role.ADMIN))
    with any_store.read() as session:
        listed = tokens.listed(session, EVERYWHERE, NOW_MS)
    assert {(each.id, each.state) for each in listed} == {
        (first.token.id, "revoked"),
        (second.token.id, "valid"),
    }


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted("", Role.VIEWER),
        Wanted("  ", Role.VIEWER),
        Wanted("x" * 65, Role.VIEWER),
        Wanted("a\nb", Role.VIEWER),
        Wanted("late", Role.VIEWER, expires_ms=NOW_MS),
    ],
)
def test_what_cannot_be_a_token_says_why(store: Store, wanted: Wanted) -> None:
    with pytest.raises(TokenError, match=r"name|expired"):
        make(store, wanted)


def test_a_scope_lists_and_revokes_its_own_tokens_only(any_store: Store) -> None:
    ours = make(any_store, Wanted("ours", Role.VIEWER, NORTH)).token.id
    theirs = make(any_store, Wanted("theirs", Role.VIEWER, Scope.parse("umbra"))).token.id
    whole = make(any_store, Wanted("whole", Role.ADMIN)).token.id
    acme = Scope.parse("acme")
    with any_store.read() as session:
        assert [each.id for each in tokens.listed(session, acme, NOW_MS)] == [ours]
    for token_id in (theirs, whole, "0" * 12):
        with pytest.raises(TokenError, match=f"no token {token_id}"):
            revoke(any_store, token_id, acme)
    assert revoke(any_store, ours, acme).state == "revoked"


def test_its_use_is_written_down_now_and_then(any_store: Store) -> None:
    time = Time()
    made = make(any_store, Wanted("wall", Role.VIEWER))
    keeper = Keeper(any_store, DAY_MS, time)

    def used_ms() -> int | None:
        with any_store.read() as session:
            return session.get_one(TokenRow, made.token.id).used_ms

    assert used_ms() is None
    for later_ms, written_ms in ((0, 0), (60_000, 0), (599_999, 0), (700_000, 700_000)):
        time.now_ms = NOW_MS + later_ms
        whose(keeper, made.secret)
        assert used_ms() == NOW_MS + written_ms


def test_a_login_stands_for_its_token_until_it_ends(any_store: Store) -> None:
    time = Time()
    made = make(any_store, Wanted("wall", Role.OPERATOR, NORTH))
    keeper = Keeper(any_store, DAY_MS, time)
    cookie = keeper.log_in(made.secret)
    assert whose(keeper, cookie, is_cookie=True) == Caller("wall", Role.OPERATOR, NORTH, made.token.id)
    assert cookie is not None
    assert whose(keeper, cookie) is None, "a cookie is no token"
    assert whose(keeper, made.secret, is_cookie=True) is None, "nor the other way around"
    assert keeper.log_in("mrg_000000000000_" + "x" * 43) is None
    time.now_ms += DAY_MS
    assert whose(keeper, cookie, is_cookie=True) is None
    keeper.log_in(made.secret)
    with any_store.read() as session:
        assert session.query(PageSessionRow).count() == 1, "what has ended is removed"


def test_a_login_does_not_outlive_its_token(any_store: Store) -> None:
    time = Time()
    made = make(any_store, Wanted("temp", Role.VIEWER, expires_ms=NOW_MS + 1_000))
    keeper = Keeper(any_store, DAY_MS, time)
    cookie = keeper.log_in(made.secret)
    assert whose(keeper, cookie, is_cookie=True) is not None
    time.now_ms += 1_000
    assert whose(keeper, cookie, is_cookie=True) is None


def test_revoking_a_token_logs_out_everywhere(any_store: Store) -> None:
    time = Time()
    made = make(any_store, Wanted("wall", Role.VIEWER))
    one, other = Keeper(any_store, DAY_MS, time), Keeper(any_store, DAY_MS, time)
    cookie = one.log_in(made.secret)
    assert whose(other, cookie, is_cookie=True) is not None, "whichever process a browser reaches"
    revoke(any_store, made.token.id)
    time.now_ms += REMEMBERED_MS
    assert whose(one, cookie, is_cookie=True) is None
    assert whose(other, cookie, is_cookie=True) is None


def test_logging_out_ends_it_at_once(any_store: Store) -> None:
    keeper = Keeper(any_store, DAY_MS, Time())
    cookie = keeper.log_in(make(any_store, Wanted("wall", Role.VIEWER)).secret)
    assert cookie is not None
    assert whose(keeper, cookie, is_cookie=True) is not None
    keeper.log_out(cookie)
    assert whose(keeper, cookie, is_cookie=True) is None
