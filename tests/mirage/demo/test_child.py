"""A child's end, good or bad, is told in one line; its log is kept."""

import time
from pathlib import Path

import pytest

from mirage.demo.child import Child, wait_until
from mirage.errors import DemoError, InputError


def finish(child: Child) -> None:
    deadline_s = time.monotonic() + 120
    while not child.ended():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def test_a_child_that_ends_well_leaves_its_result(tmp_path: Path) -> None:
    child = Child("help", ["--help"], tmp_path)
    finish(child)
    assert "Usage" in child.result.read_text()
    assert child.peak_rss_bytes > 1_000_000


def test_the_users_mistake_is_passed_on(tmp_path: Path) -> None:
    child = Child("bad", ["inspect", str(tmp_path / "none.mrg")], tmp_path)
    with pytest.raises(InputError, match=r"none\.mrg: No such file"):
        finish(child)


def test_a_child_that_ends_too_early_is_named_with_its_log(tmp_path: Path) -> None:
    child = Child("early", ["--help"], tmp_path)
    with pytest.raises(DemoError, match=r"early ended before the sun rose .*early\.log"):
        wait_until(lambda: False, 120, "the sun rose", child)


def test_waiting_ends(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match=r"nothing after 0\.2 s"):
        wait_until(lambda: False, 0.2, "the sun rose")
    assert list(tmp_path.iterdir()) == []
