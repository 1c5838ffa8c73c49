"""Scopes and roles: what is inside, and who may."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.access.roles import EVERYWHERE, OWNER, Caller, Role, Scope, ScopeError

NAMES = st.text("abcdefgh-0189", min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("scope", "place", "covers", "meets"),
    [
        (None, "acme/north/jetson-1/gate", True, True),
        ("acme", "acme/north/jetson-1/gate", True, True),
        ("acme", "acme", True, True),
        ("acme", "acme-2/north/jetson-1", False, False),
        ("acme", "umbra/acme", False, False),
        ("acme", "", False, False),
        ("acme/north", "acme/north/jetson-1", True, True),
        ("acme/north", "acme", False, True),
        ("acme/north", "acme/south/jetson-1", False, False),
        ("acme/north", "umbra", False, False),
    ],
)
def test_a_place_is_inside_as_a_whole_or_in_part(
    scope: str | None, place: str, *, covers: bool, meets: bool
) -> None:
    found = Scope.parse(scope)
    assert (found.covers(place), found.meets(place)) == (covers, meets)


@given(st.lists(NAMES, max_size=2), st.lists(NAMES, min_size=1, max_size=4))
def test_what_is_covered_is_met_and_a_scope_covers_itself(names: list[str], place: list[str]) -> None:
    scope, path = Scope(tuple(names)), "/".join(place)
    assert not scope.covers(path) or scope.meets(path)
    assert scope.path is None or scope.covers(scope.path)
    assert Scope.parse(scope.path) == scope


@pytest.mark.parametrize(
    "path", ["", "/", "acme/", "/north", "acme/north/jetson-1", "Acme", "a b", "../x", "a" * 33]
)
def test_what_is_no_scope_is_refused(path: str) -> None:
    with pytest.raises(ScopeError, match="scope "):
        Scope.parse(path)


def test_each_role_may_what_those_before_it_may() -> None:
    operator = Caller("desk", Role.OPERATOR)
    assert [operator.may(role) for role in Role] == [True, True, False]
    assert all(OWNER.may(role) for role in Role)
    assert OWNER.scope == EVERYWHERE
    assert [role.label for role in Role] == ["viewer", "operator", "admin"]
