"""`mirage fleet status` and `top`: what they print of a store, and when they fail."""

import json
import os
import pty
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from cloud.config_usage import UsageSettings
from cloud.fleet import Fleet
from cloud.store import Store
from mirage.cli import app
from mirage.errors import InputError
from mirage.fleet.status import WRONG
from mirage.fleet.wording import ago_text, bytes_text, span_text, table_of
from tests.cloud.fleet_stock import name_of, stock

COUNT = 40
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Write settings of a cloud whose store has some devices."""
    path = tmp_path / "cloud.toml"
    path.write_text('[broker]\nhost = "127.0.0.1"\n[bundle]\npaths = ["tiny"]\n')
    store = Store(f"sqlite:///{tmp_path}/store.db")
    stock(store, COUNT, time.time_ns() // 1_000_000)
    store.close()
    return path


def mirage(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["fleet", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


def test_one_device_is_no_devices(config: Path) -> None:
    place = next(iter(json.loads(mirage("status", "--config", config, "--json"))["devices"]))["id"]
    assert mirage("status", "--config", config, "--place", place).startswith("1 device: ")


def test_every_device_has_its_line(config: Path) -> None:
    said = mirage("status", "--config", config).splitlines()
    assert said[0] == "40 devices: 28 online, 6 asleep, 6 lost; 0 B today, 780 B/s now"
    for number in range(COUNT):
        assert sum(name_of(number) in line for line in said) == 1
    line = next(line for line in said if name_of(11) in line)
    assert all(part in line for part in ("lost", "11 B/s", "1.2 kB, 16 s", "mirage 0.2.0", "tiny"))
    assert "disk-full" in next(line for line in said if name_of(10) in line)


def test_programs_get_one_object(config: Path) -> None:
    said = json.loads(mirage("status", "--config", config, "--json", "--place", "acme/site-05"))
    assert [device["id"] for device in said["devices"]] == [name_of(5), name_of(25)]
    assert said["devices"][0]["state"] == "lost"
    assert said["failed"] == {}


@pytest.mark.parametrize(
    ("reason", "place", "code"),
    [
        ("lost", "acme", 1), ("lost", name_of(0), 0), ("alarms", name_of(10), 1), ("alarms", name_of(11), 0),
        ("budget", "acme", 0), ("spool", "acme", 0),
    ],
)  # fmt: skip
def test_it_fails_on_what_is_asked_for(config: Path, reason: str, place: str, code: int) -> None:
    said = mirage("status", "--config", config, "--place", place, "--fail-on", reason, "--json", code=code)
    assert bool(json.loads(said)["failed"][reason]) is bool(code)


def test_a_place_that_is_not_there_is_a_mistake(config: Path) -> None:
    for command in ("status", "top"):
        with pytest.raises(InputError, match="acme/nowhere: no device there; places are TENANT"):
            mirage(command, "--config", config, "--place", "acme/nowhere")


@pytest.mark.parametrize(("by", "first"), [("rate", 39), ("spool", 20), ("today", 39), ("budget", 0)])
def test_the_largest_come_first(config: Path, by: str, first: int) -> None:
    said = mirage("top", "--config", config, "--once", "--by", by, "--limit", 3).splitlines()
    assert len(said) == 1 + 1 + 3
    assert name_of(first) in said[2]


def test_it_runs_in_a_terminal_until_q(config: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "mirage", "fleet", "top", "--config", str(config), "--every", "0.5"]
    shown = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "COLUMNS": "160", "LINES": "30"}
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=ROOT, env=shown)
    os.close(theirs)
    try:
        _read_until(ours, "by rate", name_of(39))
        os.write(ours, b"s")
        _read_until(ours, "by spool", name_of(6))
        os.write(ours, b"q")
        _drain(ours)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def _read_until(descriptor: int, *wanted: str) -> None:
    """Read until all of it was said: a screen comes in pieces."""
    said = ""
    while not all(each in said for each in wanted):
        said += os.read(descriptor, 65_536).decode(errors="replace")


def _drain(descriptor: int) -> None:
    """Read on, so that whoever writes can end; a terminal whose process is gone cannot be read."""
    try:
        while os.read(descriptor, 65_536):
            pass
    except OSError:
        return


def test_numbers_are_written_for_people() -> None:
    assert [bytes_text(count) for count in (0, 999, 4123, 99_500, 2.3e6)] == [
        "0 B", "999 B", "4.1 kB", "100 kB", "2.3 MB",
    ]  # fmt: skip
    assert [span_text(seconds) for seconds in (5, 61, 7200, 3 * 86_400)] == ["5 s", "1 min", "2 h", "3 d"]
    assert [ago_text(ms) for ms in (-5, 59_999, 60_000)] == ["now", "now", "1 min"]


def test_a_budget_that_will_not_last_is_seen_and_fails(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/store.db")
    stock(store, 1, time.time_ns() // 1_000_000)
    (device,) = Fleet(store, UsageSettings()).look()
    store.close()
    early = replace(device, budget=1000, share=0.45, forecast=1300)
    console = Console(width=200)
    with console.capture() as shown:
        console.print(table_of([early], early.seen_ms))
    assert "45% -> 130%" in shown.get()
    assert WRONG["forecast"](early)
    assert not WRONG["forecast"](replace(early, forecast=999))
    assert not WRONG["forecast"](device)


def test_nothing_that_a_device_says_commands_the_terminal(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/store.db")
    stock(store, 1, time.time_ns() // 1_000_000)
    (device,) = Fleet(store, UsageSettings()).look()
    store.close()
    evil = replace(
        device, firmware="0.1\x1b[2J", bundle="tiny\x9b1m", alarms=("hot\x07",), link="lte\x1b]0;x"
    )
    console = Console(width=200)
    with console.capture() as shown:
        console.print(table_of([evil], evil.seen_ms))
    assert all(line.isprintable() for line in shown.get().splitlines())
    assert "0.1\ufffd[2J" in shown.get()
