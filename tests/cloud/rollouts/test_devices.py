"""What a device says, or does not say, of its update is judged as what it is."""

from cloud import commands
from cloud.config_usage import UsageSettings
from cloud.fleet import Fleet
from cloud.rollouts.alarms import UPDATE_FAILED
from tests.cloud.desk import NOW_MS
from tests.cloud.rollouts.updating import (
    HEALTH_MS,
    NEW,
    NEW_BUNDLE,
    OLD,
    PACE,
    RELEASE,
    Make,
)

WAVES = ("canary", "rest")


def test_a_device_that_does_not_come_back_is_silent_and_may_speak_up_later(make_here: Make) -> None:
    grounds = make_here(a="silent")
    device = grounds.devices["a"]
    grounds.begin(grounds.order({"all/a": (RELEASE,)}, ("all",)))
    grounds.step(20)
    began_ms = next(each.since_ms for each in grounds.told().devices)
    while grounds.states()["a"] != "silent":
        assert grounds.now_ms <= began_ms + HEALTH_MS + PACE.margin_ms + PACE.idle_ms
        grounds.step()
    assert grounds.told().state == "halted"
    device.update = f"rolled back {NEW[:8]}: it did not start"
    device.release = "1111111122222222"
    grounds.restarts(device)
    grounds.step(20)
    assert grounds.states()["a"] == "failed"
    assert grounds.told().devices[0].why == f"rolled back {NEW[:8]}: it did not start"


def test_what_was_silent_and_has_committed_after_all_is_committed(make_here: Make) -> None:
    grounds = make_here(a="stays", b="commits")
    grounds.begin(grounds.order({"canary/a": (RELEASE,), "rest/b": (RELEASE,)}, WAVES))
    grounds.until("halted", most=200)
    assert grounds.states()["a"] == "silent"
    grounds.devices["a"].update = f"committed {NEW[:8]}"
    grounds.step(40)
    assert grounds.states()["a"] == "committed"
    grounds.resume()
    grounds.until("finished")
    assert grounds.states()["b"] == "committed"


def test_an_agent_that_does_not_say_what_its_update_is_at_is_judged_by_its_time(make_here: Make) -> None:
    grounds = make_here(a="says-nothing")
    grounds.begin(grounds.order({"all/a": (RELEASE,)}, ("all",)))
    began_ms = grounds.now_ms
    while grounds.told().state == "running":
        grounds.step()
        device = grounds.devices["a"]
        grounds.desk.deliver(device.topics.sem("gate"), device.frame(device.packet()), grounds.now_ms)
    assert grounds.states() == {"a": "committed"}
    assert grounds.now_ms - began_ms > HEALTH_MS + PACE.margin_ms


def test_an_agent_that_says_nothing_and_runs_the_old_version_again_has_failed(make_here: Make) -> None:
    grounds = make_here(a="says-nothing")
    grounds.begin(grounds.order({"all/a": (RELEASE,)}, ("all",)))
    grounds.step(3)
    grounds.devices["a"].release = OLD
    grounds.restarts(grounds.devices["a"])
    grounds.until("halted")
    assert grounds.told().devices[0].why == "it runs mirage 0.1.0 11111111"


def test_the_time_of_a_version_counts_from_its_start_however_long_engines_are_built(make_here: Make) -> None:
    grounds = make_here(a="stays")
    device = grounds.devices["a"]
    grounds.begin(grounds.order({"all/a": (RELEASE,)}, ("all",)))
    grounds.step(3)
    grounds.wishes.clear()
    device.update = "trying"  # and the old one runs on
    grounds.step(60)
    assert (grounds.states(), device.release) == ({"a": "trying"}, OLD)
    assert grounds.now_ms - NOW_MS > 2 * (HEALTH_MS + PACE.margin_ms)
    device.release = NEW
    grounds.restarts(device)
    grounds.step(2)
    assert grounds.states() == {"a": "trying"}
    grounds.until("halted")
    assert grounds.states() == {"a": "silent"}


def test_what_a_device_accepts_does_not_run_yet(make_here: Make) -> None:
    grounds = make_here(a="hangs")
    grounds.begin(grounds.order({"all/a": (RELEASE,)}, ("all",)))
    grounds.step(3)
    assert grounds.states() == {"a": "fetching"}


def test_a_wish_that_nothing_comes_of_is_repeated_and_then_a_failure(make_here: Make) -> None:
    grounds = make_here(a="hangs")
    grounds.begin(grounds.order({"all/a": (RELEASE,)}, ("all",)))
    grounds.until("halted", most=200)
    assert grounds.asked("a") == PACE.most_asks
    assert grounds.told().devices[0].why == "it accepted, and began nothing, 3 times"


def test_a_device_that_refuses_each_time_has_failed_with_its_reason(make_here: Make) -> None:
    grounds = make_here(a="commits")
    device, refusal = grounds.devices["a"], "updates are not set up on this device: its settings name none"
    grounds.begin(grounds.order({"all/a": (RELEASE,)}, ("all",)))
    for _ in range(PACE.most_asks):
        grounds.refuses(device, refusal)
        grounds.duty.work()
        grounds.now_ms += 61_000
    grounds.until("halted")
    assert grounds.told().devices[0].why == f"refused: {refusal}"


def test_a_device_that_refuses_because_it_has_just_come_back_is_asked_again(make_here: Make) -> None:
    grounds = make_here(a="commits")
    grounds.begin(grounds.order({"all/a": (RELEASE,)}, ("all",)))
    grounds.refuses(grounds.devices["a"], "sealed for an earlier connection")
    grounds.step()
    assert grounds.states() == {"a": "waiting"}
    grounds.until("finished")


def test_a_device_that_is_at_another_update_is_asked_again_when_that_is_over(make_here: Make) -> None:
    grounds = make_here(a="commits")
    grounds.begin(grounds.order({"all/a": (RELEASE,)}, ("all",)))
    grounds.refuses(grounds.devices["a"], f"{NEW_BUNDLE.id} is being tried: ask again when that is over")
    grounds.step()
    assert grounds.states() == {"a": "waiting"}
    grounds.until("finished")


def test_a_device_that_is_trying_it_already_is_watched(make_here: Make) -> None:
    grounds = make_here(a="commits")
    grounds.begin(grounds.order({"all/a": (RELEASE,)}, ("all",)))
    grounds.refuses(grounds.devices["a"], f"{NEW} is being tried: ask again when that is over")
    grounds.step()
    assert grounds.states() == {"a": "fetching"}
    grounds.devices["a"].update = f"committed {NEW[:8]}"
    grounds.until("finished")
    assert grounds.asked("a") == 0


def test_a_device_that_runs_it_already_is_not_asked_to_change(make_here: Make) -> None:
    grounds = make_here(a="commits", b="commits")
    for name, update in (("a", f"committed {NEW[:8]}"), ("b", "none")):
        grounds.devices[name].release, grounds.devices[name].update = NEW, update
        grounds.restarts(grounds.devices[name])
    grounds.begin(grounds.order({"all/a": (RELEASE,), "all/b": (RELEASE,)}, ("all",)))
    grounds.until("finished")
    assert (grounds.devices["a"].heard, grounds.devices["b"].heard) == (["ping"], ["ping"])


def test_a_bundle_comes_after_the_release(make: Make) -> None:
    grounds = make(a="commits")
    grounds.begin(grounds.order({"all/a": (RELEASE, NEW_BUNDLE)}, ("all",)))
    grounds.until("finished")
    verbs = [verb for verb in grounds.devices["a"].heard if verb != "ping"]
    assert verbs == ["set-release", "set-bundle"]
    assert grounds.devices["a"].bundle_sha256 == NEW_BUNDLE.sha256


def test_a_bundle_that_fails_after_the_release_is_a_failure(make_here: Make) -> None:
    grounds = make_here(a="commits")
    grounds.begin(grounds.order({"all/a": (RELEASE, NEW_BUNDLE)}, ("all",)))
    while grounds.asked("a") < 2:
        grounds.step()
    grounds.devices["a"].ends = "fails"
    grounds.until("halted")
    assert grounds.told().devices[0].why == f"failed {NEW_BUNDLE.id[:8]}: its signature is wrong"


def test_a_device_that_failed_is_tried_again_and_its_old_word_is_no_news(make: Make) -> None:
    grounds = make(a="rolls-back", b="commits")
    grounds.begin(grounds.order({"canary/a": (RELEASE,), "rest/b": (RELEASE,)}, WAVES))
    grounds.until("halted")
    grounds.devices["a"].ends, grounds.devices["a"].fetches = "commits", 3
    before = grounds.devices["a"].update
    grounds.retry("a")
    grounds.resume()
    grounds.step(2)
    assert grounds.states()["a"] in ("asked", "fetching")
    grounds.devices["a"].update = before  # its updater has not begun
    grounds.wishes.clear()
    grounds.step(10)
    assert grounds.states()["a"] == "fetching"
    grounds.devices["a"].update, grounds.wishes["a"] = "fetching 0%", RELEASE
    grounds.until("finished")
    assert set(grounds.states().values()) == {"committed"}


def test_a_command_that_was_lost_is_asked_again(make_here: Make) -> None:
    grounds = make_here(a="commits")
    grounds.begin(grounds.order({"all/a": (RELEASE,)}, ("all",)))
    grounds.duty.work()
    with grounds.desk.store.write() as session:
        commands.take(session, grounds.now_ms, 10)  # and the tunnel swallows it
    grounds.now_ms += PACE.answer_ms + 1
    grounds.until("finished")
    assert grounds.asked("a") == 1


def test_a_device_that_failed_has_an_alarm_until_its_rollout_is_over(make: Make) -> None:
    grounds = make(a="fails", b="commits")
    grounds.begin(grounds.order({"all/a": (RELEASE,), "all/b": (RELEASE,)}, ("all",)))
    fleet = Fleet(grounds.desk.store, UsageSettings(), lambda: grounds.now_ms)
    grounds.until("halted")
    assert [(each.name, UPDATE_FAILED in each.alarms) for each in fleet.look()] == [("a", True), ("b", False)]
    grounds.resume()
    grounds.until("finished")
    assert not any(each.alarms for each in fleet.look())
