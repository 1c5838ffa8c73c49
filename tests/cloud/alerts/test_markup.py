"""Alerts in words."""

import pytest

from cloud.alerts.history import Trial
from cloud.alerts.hits import Activity
from cloud.page import alerts_markup


@pytest.mark.parametrize(
    ("cooldown_s", "text"),
    [
        (0, "never quiet"),
        (45, "quiet for 45 s"),
        (60, "quiet for 1 min"),
        (90, "quiet for 90 s"),
        (7200, "quiet for 2 h"),
        (86_400, "quiet for 1 day"),
        (604_800, "quiet for 7 days"),
    ],
)
def test_how_long_a_camera_is_quiet(cooldown_s: int, text: str) -> None:
    assert alerts_markup.quiet_text(cooldown_s) == text


@pytest.mark.parametrize(
    ("trial", "text"),
    [
        (Trial(0, 0, more=False, examples=()), "In the last day, nothing matched."),
        (Trial(1, 1, more=False, examples=()), "In the last day, 1 caption matched: 1 hit."),
        (
            Trial(20, 7, more=True, examples=()),
            "In the last day, at least 20 captions matched: at least 7 hits.",
        ),
    ],
)
def test_what_an_alert_would_have_found(trial: Trial, text: str) -> None:
    assert alerts_markup.trial_text(trial) == text


def test_how_often_an_alert_was_raised() -> None:
    assert alerts_markup.day_text(None, 0) == "no hit in the last day"
    assert alerts_markup.day_text(Activity(1, 0), 120_000) == "1 hit in the last day, the last 2 min ago"
