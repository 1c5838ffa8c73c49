"""The `mirage` command: every group is there, help costs nothing, and errors are one line."""

import subprocess
import sys
from pathlib import Path

import pytest

from mirage import errors

COMMANDS = [
    ["encode"],
    ["decode"],
    ["inspect"],
    ["demo"],
    ["edge", "run"],
    ["edge", "doctor"],
    ["cloud", "run"],
    ["export", "build"],
    ["export", "engine"],
    ["export", "train"],
    ["deploy", "plan"],
    ["deploy", "seed"],
    ["deploy", "flash"],
    ["subscribe"],
    ["bridge", "home-assistant"],
    ["bench", "wire"],
    ["bench", "demo"],
    ["bench", "render"],
    ["bench", "quality"],
    ["bench", "governor"],
]


def mirage(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mirage", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help(command: list[str]) -> None:
    result = mirage(*command, "--help")
    assert result.returncode == 0, result.stderr
    assert "Usage" in result.stdout


def test_help_names_every_command_and_loads_nothing_heavy() -> None:
    code = (
        "import sys, mirage.cli\n"
        "try: mirage.cli.app(['--help'])\n"
        "except SystemExit: pass\n"
        "print({'torch', 'cv2', 'onnxruntime', 'sqlalchemy', 'nicegui'} & sys.modules.keys())"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip().endswith("set()")
    for command in {command[0] for command in COMMANDS}:
        assert command in result.stdout


def test_an_unknown_command_exits_with_2() -> None:
    assert mirage("dream").returncode == 2


@pytest.mark.parametrize("group", ["edge", "cloud"])
def test_a_config_that_is_not_there_or_has_an_unknown_key_is_one_line(tmp_path: Path, group: str) -> None:
    missing = mirage(group, "run", "--config", tmp_path / "none.toml")
    assert (missing.returncode, missing.stdout) == (2, "")
    assert missing.stderr == f"mirage: {tmp_path / 'none.toml'}: No such file or directory\n"
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('[broker]\nhost = "127.0.0.1"\ncolour = "blue"\n')
    result = mirage(group, "run", "--config", wrong)
    assert (result.returncode, result.stderr.count("\n")) == (2, 1), result.stderr
    assert str(wrong) in result.stderr


def test_errors_name_the_file_and_stay_on_one_line() -> None:
    assert (
        errors.one_line(FileNotFoundError(2, "No such file or directory", "/a"))
        == "/a: No such file or directory"
    )
    assert errors.one_line(errors.InputError("two\nlines")) == "two lines"
    assert errors.one_line(errors.OutputError("a board said \x1b[2J\x9b1m\u202e")) == (
        "a board said \ufffd[2J\ufffd1m\ufffd"
    )
    assert "cv2 is not installed" in errors.one_line(ModuleNotFoundError(name="cv2"))
    assert "[edge,cpu,cloud,export]" in errors.one_line(ModuleNotFoundError(name="torch.nn"))
    assert "[cloud,gpu]" in errors.one_line(ModuleNotFoundError(name="diffusers.models"))
