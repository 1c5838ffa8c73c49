"""The watchdog is fed while parts get on or try anew, and by nothing else."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex

import pytest

from edge.watchdog import ACK_LIMIT_S, STILL_LIMIT_S, Manager, Pulses, Signs, starving

WELL = Signs({"camera door": 1.0}, 5.0, 3)
STUCK = Signs({"camera door": STILL_LIMIT_S + 1}, 5.0, 3)


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.setblocking(False)  # noqa: FBT003 (as the standard library has it)
        yield listener


def heard(listener: socket.socket) -> list[str]:
    messages = []
    with contextlib.suppress(BlockingIOError):
        while True:
            messages.append(listener.recv(4096).decode())
    return messages


def manager(listener: socket.socket, watchdog_us: int = 120_000_000) -> Manager:
    return Manager(str(listener.getsockname()), watchdog_us)


def test_who_gets_frames_and_receipts_does_not_starve() -> None:
    assert starving(WELL) is None
    assert starving(Signs({}, 1e9, 0)) is None


def test_a_camera_without_frames_and_attempts_starves_it_whatever_the_others_do() -> None:
    found = starving(Signs({"camera door": 0.0, "camera yard": STILL_LIMIT_S + 1}, 0.0, 0))
    assert found is not None
    assert found.startswith("camera yard:")


def test_missing_receipts_starve_it_only_while_something_waits() -> None:
    late = ACK_LIMIT_S + 1
    assert starving(Signs({"camera door": 0.0}, late, 0)) is None
    assert "7 packets wait" in (starving(Signs({"camera door": 0.0}, late, 7)) or "")


def test_a_counter_that_moves_is_young_whichever_way_it_moves() -> None:
    pulses = Pulses()
    assert [pulses.age_s("uplink", count, at) for at, count in enumerate((5, 5, 5, 4, 4))] == [0, 1, 2, 0, 1]
    assert pulses.age_s("describe", 4, 9.0) == 0.0


def test_systemd_hears_ready_food_and_the_end(systemd: socket.socket) -> None:
    notifier = manager(systemd)
    notifier.ready()
    assert notifier.look(WELL, 0.0) is None
    notifier.stopping()
    assert heard(systemd) == ["READY=1", "WATCHDOG=1", "STOPPING=1"]


def test_food_comes_four_times_in_the_time_of_the_watchdog(systemd: socket.socket) -> None:
    notifier = manager(systemd)
    for second in range(120):
        notifier.look(WELL, float(second))
    assert heard(systemd) == ["WATCHDOG=1"] * 4


def test_a_part_that_hangs_gets_no_food_and_is_named_once(systemd: socket.socket) -> None:
    notifier = manager(systemd)
    found = [notifier.look(STUCK, second) for second in (0.0, 40.0, 80.0)]
    assert found == ["camera door: no progress and no attempt for 91 s", None, None]
    assert heard(systemd) == ["STATUS=camera door: no progress and no attempt for 91 s"]


def test_a_part_that_gets_on_again_gets_food_again(systemd: socket.socket) -> None:
    notifier = manager(systemd)
    notifier.look(STUCK, 0.0)
    notifier.look(WELL, 40.0)
    notifier.look(WELL, 80.0)
    assert heard(systemd)[1:] == ["WATCHDOG=1\nSTATUS=works", "WATCHDOG=1"]


def test_without_a_service_manager_nothing_happens() -> None:
    notifier = Manager.from_environment({}, 1)
    notifier.ready()
    assert notifier.look(STUCK, 0.0) is None


def test_a_service_manager_that_is_gone_is_no_error(tmp_path: Path) -> None:
    Manager(str(tmp_path / "gone")).ready()


def test_an_abstract_address_is_understood() -> None:
    name = f"mirage-watchdog-{token_hex(8)}"  # all of a machine share these names
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{name}")
        Manager(f"@{name}").ready()
        assert listener.recv(64) == b"READY=1"


@pytest.mark.parametrize(("pid", "fed"), [("", True), ("41", True), ("42", False)])
def test_the_watchdog_of_another_process_is_not_ours(systemd: socket.socket, pid: str, fed: bool) -> None:  # noqa: FBT001
    said = {"NOTIFY_SOCKET": str(systemd.getsockname()), "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": pid}
    Manager.from_environment(said, 41).look(WELL, 0.0)
    assert heard(systemd) == (["WATCHDOG=1"] if fed else [])


def test_without_a_watchdog_there_is_no_food(systemd: socket.socket) -> None:
    said = {"NOTIFY_SOCKET": str(systemd.getsockname()), "WATCHDOG_USEC": "soon"}
    Manager.from_environment(said, 41).look(WELL, 0.0)
    assert heard(systemd) == []
