"""Results are whole or not there."""

import json
import os
import resource
from pathlib import Path

import pytest

from mirage.errors import InputError, OutputError
from mirage.output import as_json, check_target, read_input, time_text, write_whole


def test_a_result_replaces_the_old_one_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "result.json"
    write_whole(path, b"old")
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


def test_a_write_that_fails_keeps_the_old_one_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    write_whole(path, b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        with pytest.raises(OutputError, match=r"result\.json: File too large"):
            write_whole(path, b"x" * 100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_json_commands_no_terminal_and_says_the_same() -> None:
    said = "\x1b[2J \x7f \x9b1m \u00e9"
    text = as_json({"said": said})
    assert text == r'{"said":"\u001b[2J \u007f \u009b1m \u00e9"}'.replace(r"\u00e9", "\u00e9")
    assert json.loads(text) == {"said": said}


def test_a_folder_is_no_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Is a directory"):
        read_input(tmp_path)


def test_only_regular_files_may_be_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match=r"pipe: is no regular file"):
        check_target(tmp_path / "pipe", tmp_path / "source")
    with pytest.raises(InputError, match="is a folder"):
        check_target(tmp_path, tmp_path / "source")


def test_what_is_read_may_not_be_replaced_even_under_another_name(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "source")
    with pytest.raises(InputError, match="link: would overwrite what is read"):
        check_target(tmp_path / "link", tmp_path / "source")
    check_target(tmp_path / "new", tmp_path / "source")


def test_times_are_those_of_utc() -> None:
    assert [time_text(1_790_000_000_123), time_text(None)] == ["2026-09-21 14:13:20Z", ""]
