"""`mirage inspect` shows what a recording says, and refuses what is none with one line."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from mirage import inspect
from mirage.errors import InputError
from mirage.recordings import open_recording

MakeRecording = Callable[[Path, Sequence[str | None]], bytes]
SAID = ["a dog runs across the grass", "a man walks along a street", "a man walks along a street"]


@pytest.fixture
def recorded(tmp_path: Path, tables_bundle: Path, make_recording: MakeRecording) -> Path:
    path = tmp_path / "door.mrg"
    path.write_bytes(make_recording(tables_bundle, SAID))
    return path


def mirage(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mirage", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_json_has_the_header_and_every_packet(recorded: Path, tables_bundle: Path) -> None:
    result = mirage("inspect", recorded, "--bundle", tables_bundle, "--json")
    assert result.returncode == 0, result.stderr
    shown = json.loads(result.stdout)
    assert shown.keys() == {"header", "packets"}
    assert shown["header"]["bundle"] == "tables"
    assert [packet["caption"] for packet in shown["packets"]] == SAID
    assert [packet["start_s"] for packet in shown["packets"]] == [0.0, 2.0, 4.0]
    assert [packet["still"] for packet in shown["packets"]] == [False, False, True]
    for packet in shown["packets"]:
        keys = {"sequence", "start_s", "duration_s", "caption", "layers", "still", "depth", "binds"}
        assert packet.keys() == keys
        assert packet["depth"] == 4
    first, _, last = (packet["layers"] for packet in shown["packets"])
    assert set(first) == {"caption", "motion", "appearance-tokens", "appearance-detail"}
    assert last["caption"] == 0  # as before


def test_the_table_names_captions_and_adds_up(recorded: Path, tables_bundle: Path) -> None:
    result = mirage("inspect", recorded, "--bundle", tables_bundle)
    assert result.returncode == 0, result.stderr
    assert "header" in result.stdout
    assert "(still)" in result.stdout


def test_every_cut_is_one_line_that_names_the_file(
    tmp_path: Path, tables_bundle: Path, make_recording: MakeRecording
) -> None:
    whole = make_recording(tables_bundle, SAID)
    path = tmp_path / "cut.mrg"
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match=r"cut\.mrg: ") as caught:
            inspect.view(open_recording(path, tables_bundle, "cloud"))
        assert "\n" not in str(caught.value)


def test_a_cut_file_exits_with_2_and_one_line(recorded: Path, tables_bundle: Path) -> None:
    recorded.write_bytes(recorded.read_bytes()[:-1])
    result = mirage("inspect", recorded, "--bundle", tables_bundle, "--json")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(f"mirage: {recorded}: cut off at byte ")
    assert result.stderr.count("\n") == 1


def test_a_recording_of_another_bundle_is_refused_by_name(recorded: Path, other_bundle: Path) -> None:
    result = mirage("inspect", recorded, "--bundle", other_bundle)
    assert result.returncode == 2
    assert "made with bundle tables" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["missing.mrg", "."])
def test_a_path_that_is_no_file_is_the_users_mistake(tmp_path: Path, tables_bundle: Path, name: str) -> None:
    result = mirage("inspect", tmp_path / name, "--bundle", tables_bundle)
    assert result.returncode == 2
    assert str(tmp_path) in result.stderr


def test_a_reader_that_leaves_early_is_no_traceback(recorded: Path, tables_bundle: Path) -> None:
    command = f"{sys.executable} -m mirage inspect {recorded} --bundle {tables_bundle} --json | true"
    shell = ["bash", "-c", f"sleep 0.1; {command}"]
    result = subprocess.run(shell, capture_output=True, text=True, check=False)
    assert "Traceback" not in result.stderr
