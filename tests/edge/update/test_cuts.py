"""The power goes at every step, and the device comes up on a whole version: the old one or the new one."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.update import state
from edge.update.client import Client
from edge.update.racks import Rack
from edge.update.updater import Updater
from tests.edge.update.station import CutError, Files, Machine, Maker, Release, Shelf, Station

_MANY = 1000
OLD: Files = {"bin/mirage": b"old", "lib/agent.py": b"VERSION = 1\n" * 99, "lib/core.so": b"core" * 999}
NEW: Files = {**OLD, "lib/agent.py": b"VERSION = 2\n" * 99, "lib/more.py": b""}


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """Give a folder in memory, where there is one: a disk that others use, too, takes minutes."""
    memory = Path("/dev/shm")  # noqa: S108 (a folder of its own is made there)
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


@pytest.fixture
def old(maker: Maker) -> Release:
    return maker.agent(OLD, "0.1.0")


@pytest.fixture
def new(maker: Maker, old: Release) -> Release:
    made = maker.agent(NEW, "0.2.0")
    maker.publish(made, old)
    return made


class Power:
    """Goes off before the n-th of the calls that change something: after the one before."""

    def __init__(self, patch: pytest.MonkeyPatch, after: int) -> None:
        self._left = after
        for owner, name in [
            (os, "fsync"),
            (os, "sync"),
            (os, "mkdir"),
            (os, "symlink"),
            (Path, "mkdir"),
            (Path, "replace"),
            (Path, "unlink"),
            (Path, "symlink_to"),
            (shutil, "rmtree"),
            (Client, "get"),
            (Machine, "restart_agent"),
        ]:
            patch.setattr(owner, name, self._counted(getattr(owner, name)))

    def _counted(self, call: Callable[..., object]) -> Callable[..., object]:
        def counted(*arguments: object, **named: object) -> object:
            if self._left == 0:
                raise CutError
            self._left -= 1
            return call(*arguments, **named)

        return counted


def cut(updater: Updater, after: int) -> bool:
    """Run until the power goes; True if it did."""
    with pytest.MonkeyPatch.context() as patch:
        Power(patch, after)
        try:
            updater.run()
        except CutError:
            return True
    return False


def fresh(folder: Path, maker: Maker, shelf: Shelf, old: Release, bundle: Release | None = None) -> Station:
    station = Station(folder, maker, shelf.url)
    station.flash(old)
    if bundle is not None:
        station.flash(bundle)
    return station


def test_wherever_the_power_goes_a_whole_version_comes_up_and_the_new_one_is_had_in_the_end(
    tmp_path: Path, maker: Maker, shelf: Shelf, old: Release, new: Release
) -> None:
    cuts = 0
    for after in range(_MANY):
        station = fresh(tmp_path / f"device-{after}", maker, shelf, old)
        station.order(new.id)
        if not cut(station.updater(), after):
            break
        cuts += 1
        station.boot()
        station.check_whole()
        assert set(station.runs()) <= {old.id, new.id}
        if station.state().work is None:
            assert len(set(station.runs())) == 1, "nothing is tried, so what runs is what is known to be good"
        station.run()
        assert station.runs() == (new.id, new.id), after
        assert station.result() == ("committed", ""), after
        station.check_whole()
        shutil.rmtree(tmp_path / f"device-{after}")
    assert cuts > 60, "otherwise nothing was cut"


def test_wherever_the_updater_alone_is_killed_the_next_one_ends_well(
    tmp_path: Path, maker: Maker, shelf: Shelf, old: Release, new: Release
) -> None:
    cuts = 0
    for after in range(_MANY):
        station = fresh(tmp_path / f"device-{after}", maker, shelf, old)
        station.order(new.id)
        if not cut(station.updater(), after):
            break
        cuts += 1
        station.check_whole()
        station.run()
        assert (station.runs(), station.result()) == ((new.id, new.id), ("committed", "")), after
        shutil.rmtree(tmp_path / f"device-{after}")
    assert cuts > 60


def test_wherever_the_power_goes_a_release_that_never_works_is_undone(
    tmp_path: Path, maker: Maker, shelf: Shelf, old: Release, new: Release
) -> None:
    cuts = 0
    for after in range(_MANY):
        station = fresh(tmp_path / f"device-{after}", maker, shelf, old)
        station.machine.behaviour[new.id] = "crashes"
        station.order(new.id)
        if not cut(station.updater(), after):
            break
        cuts += 1
        station.boot()
        station.check_whole()
        station.run()
        assert station.runs() == (old.id, old.id), after
        assert station.result()[0] == "rolled back", after
        shutil.rmtree(tmp_path / f"device-{after}")
    assert cuts > 60


def test_what_was_given_up_never_comes_up_again(station: Station, old: Release, new: Release) -> None:
    station.machine.behaviour[new.id] = "crashes"
    restart = station.machine.restart_agent

    def power_goes_at_the_second() -> None:
        if station.machine.restarts:
            raise CutError
        restart()

    station.machine.restart_agent = power_goes_at_the_second  # type: ignore[method-assign]
    station.order(new.id)
    with pytest.raises(CutError):
        station.run()
    station.boot()
    assert station.runs() == (old.id, old.id)
    assert station.result()[0] == "rolled back"


def test_wherever_the_power_goes_twice_a_whole_version_comes_up(
    tmp_path: Path, maker: Maker, shelf: Shelf, old: Release, new: Release
) -> None:
    for after in range(0, _MANY, 3):
        station = fresh(tmp_path / f"device-{after}", maker, shelf, old)
        station.order(new.id)
        if not cut(station.updater(), after):
            break
        for again in (after % 7, 11 * after % 61):
            station.machine.reboot()
            with pytest.MonkeyPatch.context() as patch:
                Power(patch, again)
                try:
                    station.updater().boot()
                    station.machine.start_agent()
                    station.updater().run()
                except CutError:
                    pass
            station.check_whole()
        station.boot()
        station.run()
        assert station.runs()[0] == station.runs()[1]
        assert station.state().work is None
        shutil.rmtree(tmp_path / f"device-{after}")


def test_a_bundle_comes_up_whole_too_and_others_are_cleared_away(
    tmp_path: Path, maker: Maker, shelf: Shelf, old: Release
) -> None:
    first = maker.bundle({"bundle.toml": b"schema = 1\n", "encoder.onnx": b"one" * 999}, "1")
    second = maker.bundle({"bundle.toml": b"schema = 1 # 2\n", "encoder.onnx": b"two" * 999}, "2")
    maker.publish(second, first)
    for after in range(_MANY):
        station = fresh(tmp_path / f"device-{after}", maker, shelf, old, first)
        station.order(second.id, "bundle")
        is_cut = cut(station.updater(), after)
        station.boot()
        station.check_whole("bundle")
        station.check_whole()
        station.run()
        assert station.runs("bundle") == (second.id, second.id)
        assert station.runs() == (old.id, old.id), "the code stays"
        if not is_cut:
            bundles = {each.name for each in (station.root / "bundles").iterdir()}
            assert bundles == {"current", "committed", f"tiny-{second.id[:8]}"}
            break
        shutil.rmtree(tmp_path / f"device-{after}")


def test_a_version_that_takes_the_machine_down_is_given_so_many_boots(
    station: Station, old: Release, new: Release
) -> None:
    station.machine.behaviour[new.id] = "silent"

    def power_goes() -> None:
        raise CutError

    station.machine.on_wait = power_goes
    station.order(new.id)
    with pytest.raises(CutError):
        station.run()
    ran = [station.runs()[0]]
    for _ in range(4):
        station.boot()
        ran.append(station.runs()[0])
    assert ran == [new.id] * 4 + [old.id]
    assert station.result() == ("rolled back", "it was started 4 times and was never healthy")


def test_time_that_was_waited_counts_over_boots_whatever_the_clock_says(
    station: Station, old: Release, new: Release
) -> None:
    station.machine.behaviour[new.id] = "silent"
    station.order(new.id)
    waited = 0

    def power_goes_after_four_minutes() -> None:
        nonlocal waited
        waited += 1
        if waited % 240 == 0:
            raise CutError

    station.machine.on_wait = power_goes_after_four_minutes
    for _ in range(2):
        with pytest.raises(CutError):
            station.run()
        station.machine.time_s = -1e6  # a clock that begins anew
        station.boot()
    station.run()
    assert station.runs() == (old.id, old.id)
    assert waited < 240 * 3
    assert "10 minutes" in station.result()[1]


@pytest.mark.parametrize("data", [b"", b"{", b'{"work":{"kind":"agent"', b"\xff\xfe", b'{"schema":2}', b"[]"])
def test_a_state_that_is_torn_leaves_what_is_committed(
    station: Station, old: Release, new: Release, data: bytes
) -> None:
    station.machine.behaviour[new.id] = "silent"
    station.machine.stopped = False

    def power_goes() -> None:
        raise CutError

    station.machine.on_wait = power_goes
    station.order(new.id)
    with pytest.raises(CutError):
        station.run()
    assert station.runs() == (new.id, old.id)
    (station.config.folder / state.STATE).write_bytes(data)
    station.boot()
    assert station.runs() == (old.id, old.id)
    station.check_whole()


def test_the_agent_is_started_anew_where_a_lost_state_had_another_version_run(
    station: Station, old: Release, new: Release
) -> None:
    station.machine.on_wait = lambda: (_ for _ in ()).throw(CutError())
    station.machine.behaviour[new.id] = "silent"
    station.order(new.id)
    with pytest.raises(CutError):
        station.run()
    (station.config.folder / state.STATE).unlink()
    (station.wishes / "wanted.json").unlink()
    restarts = station.machine.restarts
    station.run()
    assert station.runs() == (old.id, old.id)
    assert station.machine.restarts == restarts + 1


def test_a_slot_that_was_half_written_is_written_anew(station: Station, new: Release) -> None:
    half = station.root / "slots/b/lib/agent.py"
    half.parent.mkdir(parents=True)
    half.write_bytes(b"VERSION = 'ne")
    (station.root / "slots/b/release.json").write_bytes(new.signed)
    station.order(new.id)
    station.run()
    assert station.runs() == (new.id, new.id)
    station.check_whole()


def test_a_link_that_leads_nowhere_is_led_back(station: Station, old: Release) -> None:
    (station.root / "current").unlink()
    (station.root / "current").symlink_to("slots/c")
    station.boot()
    assert station.runs() == (old.id, old.id)


def test_a_device_as_it_was_flashed_takes_what_runs_for_good(station: Station, old: Release) -> None:
    (station.root / "committed").unlink()
    station.boot()
    assert station.runs() == (old.id, old.id)


def test_what_runs_is_never_cleared(station: Station) -> None:
    with pytest.raises(ValueError, match="is in use"):
        Rack.of("agent", station.root).clear("slots/a")
    station.check_whole()
