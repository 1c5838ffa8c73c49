"""What a visitor is told of what does not work: that it does not, and only operators what it is."""

import pytest

from cloud.access.roles import Caller, Role, Scope
from cloud.alerts.rules import AlertError
from cloud.objects import ObjectsError
from cloud.page.trouble import UNWELL, told
from cloud.store import StoreError


@pytest.mark.parametrize("error", [StoreError("s.db: disk full"), ObjectsError("s3://b: refused")])
@pytest.mark.parametrize(
    ("role", "scope", "knows"),
    [
        (Role.VIEWER, None, False),
        (Role.ADMIN, "acme", False),
        (Role.OPERATOR, None, True),
        (Role.ADMIN, None, True),
    ],
)
def test_where_things_are_kept_is_for_operators(
    error: Exception, role: Role, scope: str | None, *, knows: bool
) -> None:
    assert told(error, Caller("x", role, Scope.parse(scope))) == (str(error) if knows else UNWELL)


def test_who_made_a_mistake_is_told_which() -> None:
    assert told(AlertError("names no word"), Caller("x", Role.VIEWER)) == "names no word"
