"""Rollouts go wave after wave, are halted by failures and held up by nobody who is away."""

import pytest
from sqlalchemy.orm import Session

from cloud import commands
from cloud.rollouts.duty import LEASE_MS
from cloud.schema import CommandRow
from cloud.store import StoreError
from tests.cloud.rollouts.updating import (
    HEALTH_MS,
    NEW,
    PACE,
    RELEASE,
    STEP_MS,
    Make,
)
from wire.documents import Value

WAVES = ("canary", "rest")


def test_waves_go_one_after_the_other(make: Make) -> None:
    grounds = make(a="commits", b="commits", c="commits")
    grounds.begin(grounds.order({"canary/a": (RELEASE,), "rest/b": (RELEASE,), "rest/c": (RELEASE,)}, WAVES))
    while grounds.states()["a"] != "committed":
        assert grounds.states()["b"] == grounds.states()["c"] == "waiting"
        assert not grounds.devices["b"].heard
        assert not grounds.devices["c"].heard
        grounds.step()
    grounds.until("finished")
    assert set(grounds.states().values()) == {"committed"}
    assert [grounds.asked(name) for name in "abc"] == [1, 1, 1]
    assert all(device.software.endswith(NEW[:8]) for device in grounds.devices.values())
    assert grounds.desk.count(CommandRow) == 0


def test_one_failure_halts_and_nobody_else_is_asked(make: Make) -> None:
    grounds = make(a="rolls-back", b="commits")
    grounds.begin(grounds.order({"canary/a": (RELEASE,), "rest/b": (RELEASE,)}, WAVES))
    grounds.until("halted")
    told = grounds.told()
    assert told.why == "1 failed, 1 are enough to halt"
    assert told.devices[0].why == f"rolled back {NEW[:8]}: no receipt in 600 s"
    grounds.step(30)
    assert (grounds.states(), grounds.devices["b"].heard) == ({"a": "failed", "b": "waiting"}, [])


def test_of_those_in_hand_none_more_is_asked_after_the_failure(make_here: Make) -> None:
    ends = {f"d{number}": "fails" if number == 0 else "commits" for number in range(4)}
    grounds = make_here(**ends)
    grounds.devices["d0"].fetches = 0
    grounds.begin(grounds.order({f"all/{name}": (RELEASE,) for name in ends}, ("all",)))
    grounds.goes(grounds.devices["d3"])
    grounds.until("halted")
    grounds.comes(grounds.devices["d3"])
    grounds.step(40)
    assert grounds.states() == {"d0": "failed", "d1": "committed", "d2": "committed", "d3": "waiting"}
    assert grounds.told().state == "halted"


def test_fewer_failures_than_allowed_do_not_halt(make_here: Make) -> None:
    grounds = make_here(a="commits", b="fails", c="commits")
    wanted = {"canary/a": (RELEASE,), "canary/b": (RELEASE,), "rest/c": (RELEASE,)}
    grounds.begin(grounds.order(wanted, WAVES, halt_after=2))
    grounds.until("finished")
    assert grounds.states() == {"a": "committed", "b": "failed", "c": "committed"}


def test_a_wave_of_which_all_failed_lets_no_other_begin(make_here: Make) -> None:
    grounds = make_here(a="fails", b="commits")
    grounds.begin(grounds.order({"canary/a": (RELEASE,), "rest/b": (RELEASE,)}, WAVES, halt_after=5))
    grounds.until("halted")
    assert grounds.told().why == "all of wave canary failed"
    assert not grounds.devices["b"].heard


def test_who_is_away_holds_nobody_up_and_is_asked_when_it_comes(make: Make) -> None:
    grounds = make(a="commits", b="away-commits", c="commits")
    wanted = {"canary/a": (RELEASE,), "canary/b": (RELEASE,), "rest/c": (RELEASE,)}
    grounds.begin(grounds.order(wanted, WAVES))
    for _ in range(60):
        grounds.step()
    assert grounds.states() == {"a": "committed", "b": "waiting", "c": "committed"}
    told = grounds.told()
    assert (told.state, told.why, told.away) == ("running", "1 away", 1)
    assert told.devices[1].why == "away"
    grounds.comes(grounds.devices["b"])
    grounds.until("finished")
    assert grounds.states()["b"] == "committed"


def test_a_wave_of_which_nobody_is_there_has_shown_nothing(make_here: Make) -> None:
    grounds = make_here(a="away-commits", b="commits")
    grounds.begin(grounds.order({"canary/a": (RELEASE,), "rest/b": (RELEASE,)}, WAVES))
    grounds.step(30)
    assert grounds.states() == {"a": "waiting", "b": "waiting"}
    assert grounds.told().why == "nobody of wave canary is there yet, so that no other wave begins"


def test_who_vanishes_while_it_fetches_holds_nobody_up_for_longer_than_an_update_takes(
    make_here: Make,
) -> None:
    grounds = make_here(a="commits", b="commits", c="commits")
    wanted = {"canary/a": (RELEASE,), "canary/b": (RELEASE,), "rest/c": (RELEASE,)}
    grounds.devices["a"].fetches = 1_000
    grounds.begin(grounds.order(wanted, WAVES))
    while grounds.states()["b"] != "committed":
        grounds.step()
    grounds.goes(grounds.devices["a"])
    gone_ms = grounds.now_ms
    while grounds.states()["c"] == "waiting":
        grounds.step()
    assert grounds.now_ms - gone_ms > HEALTH_MS + PACE.margin_ms
    grounds.devices["a"].fetches = 0
    grounds.comes(grounds.devices["a"])
    grounds.until("finished")
    assert set(grounds.states().values()) == {"committed"}


def test_going_on_after_a_halt_forgives_what_has_failed(make: Make) -> None:
    grounds = make(a="rolls-back", b="commits", c="rolls-back", d="commits")
    wanted = {"canary/a": (RELEASE,), "rest/b": (RELEASE,), "rest/c": (RELEASE,), "last/d": (RELEASE,)}
    grounds.begin(grounds.order(wanted, (*WAVES, "last")))
    grounds.until("halted")
    grounds.resume()
    grounds.until("halted")
    assert grounds.states() == {"a": "failed", "b": "committed", "c": "failed", "d": "waiting"}
    grounds.resume()
    grounds.until("finished")
    assert grounds.states()["d"] == "committed"


def test_a_cloud_that_dies_at_any_step_leaves_a_rollout_that_goes_on(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    grounds = make(a="commits", b="commits")
    grounds.begin(grounds.order({"canary/a": (RELEASE,), "rest/b": (RELEASE,)}, WAVES))
    good = commands.ask
    for step in range(400):
        if grounds.told().state == "finished":
            break
        if step % 2:

            def dies(
                session: Session,
                device: str,
                verb: str,
                arguments: dict[str, Value],
                now_ms: int,
                timeout_ms: int,
            ) -> str:
                good(session, device, verb, arguments, now_ms, timeout_ms)
                raise StoreError("the power is cut")

            monkeypatch.setattr(commands, "ask", dies)
            try:
                grounds.step(duty=grounds.another())
            except StoreError:
                grounds.carry()
            monkeypatch.setattr(commands, "ask", good)
            grounds.now_ms += LEASE_MS
        grounds.duty = grounds.another()
        grounds.step()
    assert grounds.told().state == "finished"
    assert [grounds.asked(name) for name in "ab"] == [1, 1]


def test_of_two_clouds_one_moves_a_rollout_and_the_other_takes_over(make: Make) -> None:
    grounds = make(a="commits", b="commits")
    grounds.begin(grounds.order({"all/a": (RELEASE,), "all/b": (RELEASE,)}, ("all",)))
    first, second = grounds.another(), grounds.another()
    first.work()
    second.work()
    assert grounds.desk.count(CommandRow) == 2
    grounds.carry()
    before = grounds.told()
    grounds.now_ms += STEP_MS
    second.work()
    assert grounds.told().devices == before.devices
    grounds.now_ms += LEASE_MS
    grounds.duty = second
    grounds.until("finished")
    assert [grounds.asked(name) for name in "ab"] == [1, 1]
