"""`mirage bench chaos`: a report with a gate, and nothing left behind, however it ends."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mirage.bench.chaos.command import main
from mirage.bench.chaos.run import Request
from mirage.bench.chaos.settings import Mistake
from mirage.bench.report import to_json

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0


def processes_about(folder: Path) -> list[str]:
    """List commands of this machine that name a folder."""
    found = list[str]()
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = each.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it has ended meanwhile
            continue
        if str(folder) in command:
            found.append(command)
    return found


def wait_for_processes(folder: Path, least: int, most: int) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not least <= len(processes_about(folder)) <= most:
        assert time.monotonic() < deadline_s, processes_about(folder)
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_a_run_that_is_ended(tmp_path: Path, number: signal.Signals) -> None:
    if not Path("/proc/self/cmdline").exists():
        pytest.skip("there is no /proc to look for processes in")
    command = [sys.executable, "-m", "mirage", "bench", "chaos", "--minutes", "2", "--json"]
    child = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, "TMPDIR": str(tmp_path)}, stdout=subprocess.DEVNULL
    )
    try:
        wait_for_processes(tmp_path, 3, 99)  # broker, cloud and device
        child.send_signal(number)
        assert child.wait(PATIENCE_S) != 0
    finally:
        child.kill()
    wait_for_processes(tmp_path, 0, 0)
    assert number == signal.SIGKILL or not list(tmp_path.glob("mirage-chaos-*")), "its files are gone, too"


@pytest.mark.slow
def test_a_violation_keeps_all_files_and_says_how_to_see_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    request = Request(3.0, 5, "iotcore", "sealed", 20, drain_s=20, mistake=Mistake.FREES_WHEN_SENT)
    printed = json.loads(to_json(main(request)))
    gates = {gate["name"]: gate for gate in printed["gates"]}
    assert not gates["violations"]["ok"]
    results = printed["results"]
    kept = Path(results["kept"])
    assert kept.parent == tmp_path
    names = {each.name for each in kept.iterdir()}
    assert {"verdict.json", "store.db", "device.log", "cloud.log", "journal-0000.jsonl"} <= names
    assert results["again"].endswith("--minutes 0.05 --seed 5 --broker iotcore --envelope sealed")
    assert "early" in {each["rule"] for each in results["violations"]}
