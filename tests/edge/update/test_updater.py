"""A release comes onto a device, is tried, and is kept or undone."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from edge.update import state, wishes
from edge.update.wishes import Health
from tests.edge.update.station import NEW, OLD, Maker, Release, Shelf, Station


def test_a_release_that_is_healthy_is_kept_and_came_as_what_differs(
    station: Station, shelf: Shelf, old: Release, new: Release
) -> None:
    station.order(new.id)
    station.run()
    assert station.runs() == (new.id, new.id)
    assert station.result() == ("committed", "")
    assert (station.root / "current").readlink() == Path("slots/b")
    assert [path for path, _ in shelf.asked] == [f"/{new.id}/index.json", f"/{new.id}/packs/{old.id}.pack"]
    station.check_whole()
    assert list((station.root / "slots/b").rglob("*.pyc")), "the agent cannot compile for itself"
    assert sorted(each.name for each in station.config.folder.iterdir()) == ["state.json"]


def test_the_next_release_goes_into_the_other_slot(station: Station, maker: Maker, new: Release) -> None:
    station.order(new.id)
    station.run()
    third = maker.agent({**NEW, "bin/mirage": b"third"}, "0.3.0")
    maker.publish(third)
    station.order(third.id)
    station.run()
    assert station.runs() == (third.id, third.id)
    assert (station.root / "committed").readlink() == Path("slots/a")


@pytest.mark.parametrize(
    ("behaviour", "why"),
    [("silent", "in 10 minutes nothing of it reached the cloud"), ("crashes", "the agent does not start")],
)
def test_a_release_that_is_not_healthy_is_undone_by_itself(
    station: Station, old: Release, new: Release, behaviour: str, why: str
) -> None:
    station.machine.behaviour[new.id] = behaviour
    station.order(new.id)
    station.run()
    assert station.runs() == (old.id, old.id)
    result, told = station.result()
    assert result == "rolled back"
    assert why in told
    assert state.told(station.state(), station.config.folder).startswith(f"rolled back {new.id[:8]}: ")
    assert station.machine.restarts == 2, "the old one runs again"


def test_what_was_undone_is_tried_again_when_it_is_ordered_again_without_the_network(
    station: Station, shelf: Shelf, new: Release
) -> None:
    station.machine.behaviour[new.id] = "silent"
    station.order(new.id)
    station.run()
    station.run()  # nothing more is wanted
    asked = len(shelf.asked)
    del station.machine.behaviour[new.id]
    station.order(new.id)
    station.run()
    assert station.result() == ("committed", "")
    assert [path for path, _ in shelf.asked[asked:]] == [f"/{new.id}/index.json"]


def test_the_updater_of_the_version_that_was_kept_goes_on(
    station: Station, maker: Maker, new: Release
) -> None:
    first = maker.bundle({"bundle.toml": b"schema = 1\n"}, "1")
    second = maker.bundle({"bundle.toml": b"schema = 1 # 2\n"}, "2")
    maker.publish(second)
    station.flash(first)
    station.order(new.id)
    station.order(second.id, "bundle")
    assert station.updater().run(), "the slot that this one runs from is free now"
    assert (station.runs(), station.runs("bundle")) == ((new.id, new.id), (first.id, first.id))
    assert not station.updater().run()
    assert station.runs("bundle") == (second.id, second.id)


def test_bundles_that_are_gone_leave_nothing_in_the_state(station: Station, maker: Maker) -> None:
    bundles = [maker.bundle({"bundle.toml": b"schema = %d" % at}, str(at)) for at in range(5)]
    station.flash(bundles[0])
    for each in bundles[1:]:
        maker.publish(each)
        station.order(each.id, "bundle")
        station.run()
        assert station.runs("bundle") == (each.id, each.id)
    assert len(station.state().ready) <= 2


def test_an_order_is_followed_once(station: Station, shelf: Shelf, new: Release) -> None:
    station.order(new.id)
    station.run()
    asked, restarts = len(shelf.asked), station.machine.restarts
    station.run()
    station.order(new.id)
    station.run()
    assert (len(shelf.asked), station.machine.restarts) == (asked, restarts)
    assert station.result() == ("committed", "")


def _strangers(good: Health) -> list[Health]:
    """Give what is nearly as good."""
    return [
        replace(good, trial="0" * 16),
        replace(good, release="0" * 16),
        replace(good, boot_id="another"),
        replace(good, pid=1),
        replace(good, started=8),
    ]


def test_health_of_another_trial_release_boot_or_process_does_not_count(
    station: Station, old: Release, new: Release
) -> None:
    machine, path = station.machine, station.wishes / wishes.HEALTHY
    machine.behaviour[new.id] = "silent"
    seen = 0

    def swear_falsely() -> None:
        nonlocal seen
        work = station.state().work
        if work is None or work.step != "trying":
            return
        good = Health(work.trial, new.id, None, "0" * 16, machine.boot_id(), 101, 7)
        strangers = _strangers(good)
        wishes.write(path, strangers[seen % len(strangers)])
        seen += 1

    machine.on_wait = swear_falsely
    station.order(new.id)
    station.run()
    assert seen > 100
    assert station.runs() == (old.id, old.id)


def test_what_is_wanted_while_another_is_tried_comes_afterwards(
    station: Station, maker: Maker, new: Release
) -> None:
    third = maker.agent({**NEW, "bin/mirage": b"third"}, "0.3.0")
    maker.publish(third)
    station.machine.behaviour[new.id] = "silent"

    def want_another() -> None:
        work = station.state().work
        if work is not None and work.step == "trying" and work.id == new.id and work.waited_s > 60:
            station.order(third.id)
            station.machine.on_wait = lambda: None

    station.machine.on_wait = want_another
    station.order(new.id)
    station.run()
    assert station.runs() == (third.id, third.id)


@pytest.mark.parametrize(
    ("version", "taken"), [("0.0.9", False), ("0.1.0rc1", False), ("0.1.0", True), ("0.1.1.dev1", True)]
)
def test_no_release_goes_back(
    station: Station, maker: Maker, old: Release, version: str, *, taken: bool
) -> None:
    made = maker.agent({**OLD, "bin/mirage": b"other"}, version)
    maker.publish(made)
    station.order(made.id)
    station.run()
    assert station.runs() == ((made.id, made.id) if taken else (old.id, old.id))
    if not taken:
        assert station.result() == ("failed", f"version {version} is older than 0.1.0, which ran here")


def test_the_newest_version_that_was_kept_is_remembered(station: Station, maker: Maker, new: Release) -> None:
    station.order(new.id)
    station.run()
    back = maker.agent({**OLD, "bin/mirage": b"old as new"}, "0.2.0.post1")
    maker.publish(back)
    station.order(back.id)
    station.run()
    assert station.result() == ("committed", "")
    again = maker.agent(NEW, "0.2.0")
    assert again.id == new.id
    station.order(new.id)
    station.run()
    assert station.result() == ("failed", "version 0.2.0 is older than 0.2.0.post1, which ran here")
