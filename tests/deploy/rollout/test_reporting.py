"""A rollout on a terminal: what a device says of itself is shown, and never obeyed."""

import pytest

from cloud.rollouts.report import DeviceReport, RolloutReport
from mirage.deploy.rollout.reporting import lines_of
from mirage.output import print_tables

EVIL = "rolled back: \x1b]0;x\x07\x1b[2J [/b][link=http://x]here"


def test_what_a_device_says_commands_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    device = DeviceReport(
        "acme/north/gate", "canary", "amd64", "4f0c9a1234567890", "", "failed", EVIL, f"mirage {EVIL}",
        is_here=True, since_ms=0, why=f"refused: {EVIL}",
    )  # fmt: skip
    report = RolloutReport(
        1, "acme", {}, "halted", EVIL, 0, 0, is_minded=True, counts={"failed": 1}, devices=(device,)
    )
    print_tables(*lines_of(report))
    shown = capsys.readouterr().out
    assert "rolled back" in shown
    assert "\x1b" not in shown
    assert "\x07" not in shown
