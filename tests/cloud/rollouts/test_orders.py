"""Rollouts as people order them, also twice, and what they cannot be told."""

from collections.abc import Callable

import pytest

from cloud.rollouts.orders import RolloutError
from tests.cloud.rollouts.updating import (
    NEW_BUNDLE,
    RELEASE,
    Grounds,
    Make,
)

WAVES = ("canary", "rest")


def test_halted_by_hand_what_has_begun_goes_on_and_nothing_else_begins(make_here: Make) -> None:
    grounds = make_here(a="commits", b="commits")
    grounds.begin(grounds.order({"canary/a": (RELEASE,), "rest/b": (RELEASE,)}, WAVES))
    grounds.step(2)
    grounds.halt()
    grounds.step(40)
    assert grounds.states() == {"a": "committed", "b": "waiting"}
    grounds.resume()
    grounds.until("finished")


def test_the_same_order_again_is_the_same_rollout_with_its_new_devices(make: Make) -> None:
    grounds = make(a="commits", b="commits")
    first = grounds.begin(grounds.order({"all/a": (RELEASE,)}, ("all",)))
    grounds.step(3)
    before = grounds.states()["a"]
    assert grounds.begin(grounds.order({"all/a": (RELEASE,), "all/b": (RELEASE,)}, ("all",))) == first
    assert grounds.states() == {"a": before, "b": "waiting"}
    grounds.until("finished")
    assert grounds.asked("a") == 1


def test_another_order_waits_until_nothing_is_in_hand(make: Make) -> None:
    grounds = make(a="commits", b="away-commits")
    first = grounds.begin(grounds.order({"all/a": (RELEASE,), "all/b": (RELEASE,)}, ("all",)))
    grounds.step(2)
    order = grounds.order({"all/a": (NEW_BUNDLE,), "all/b": (NEW_BUNDLE,)}, ("all",))
    object.__setattr__(order, "aim", {"bundle": NEW_BUNDLE.id})
    with pytest.raises(RolloutError, match=r"under way, 1 devices are at it: --halt, and wait"):
        grounds.begin(order)
    grounds.step(60)
    assert grounds.begin(order) != first  # who is away gets the later one alone
    grounds.comes(grounds.devices["b"])
    grounds.until("finished")
    assert [verb for verb in grounds.devices["b"].heard if verb != "ping"] == ["set-bundle"]


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (lambda grounds: grounds.retry("a"), "a is waiting: it has not failed"),
        (lambda grounds: grounds.retry("z"), "has no device 'z'"),
    ],
)
def test_what_cannot_be_ordered_is_refused(
    make_here: Make, act: Callable[[Grounds], None], says: str
) -> None:
    grounds = make_here(a="commits")
    grounds.begin(grounds.order({"all/a": (RELEASE,)}, ("all",)))
    with pytest.raises(RolloutError, match=says):
        act(grounds)


def test_what_is_finished_can_neither_be_halted_nor_gone_on_with(make_here: Make) -> None:
    grounds = make_here(a="commits")
    grounds.begin(grounds.order({"all/a": (RELEASE,)}, ("all",)))
    grounds.until("finished")
    with pytest.raises(RolloutError, match="finished: there is nothing to halt"):
        grounds.halt()
    with pytest.raises(RolloutError, match="finished: there is nothing to go on with"):
        grounds.resume()
