"""The settings of events: off unless they are switched on, and mistakes are named."""

from pathlib import Path

import pytest

from cloud import config
from cloud.config import ConfigError
from cloud.config_events import KINDS

PLAIN = '[broker]\nhost = "b"\n[bundle]\npaths = ["x"]\n'


def read(more: str) -> config.Config:
    return config.parse(f"{PLAIN}{more}".encode(), Path("cloud.toml"))


def test_nothing_is_told_and_nothing_posted_unless_settings_say_so() -> None:
    plain = read("")
    assert not any(plain.events.tells(kind) for kind in KINDS)
    assert not plain.alerts.allows("https://hooks.example/")


def test_kinds_are_chosen() -> None:
    chosen = read('[events]\nenabled = true\nkinds = ["alert.raised"]').events
    assert [kind for kind in KINDS if chosen.tells(kind)] == ["alert.raised"]


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ('[events]\nkinds = ["budget"]', "kinds"),
        ('[events]\nbase_url = "cameras.example"', "events.base_url 'cameras.example' is not http"),
        ('[events]\nbase_url = "https://cameras.example/"', "leave out the / at the end"),
        ('[events]\nbase_url = "https://me:secret@cameras.example"', "leave out user"),
        ("[events]\nfresh_s = 0", "fresh_s"),
        ("[events]\nkeep_hours = 0", "keep_hours"),
        ("[events]\nkeep_most = 0", "keep_most"),
        ("[events]\non = true", "on"),
        ('[alerts]\nwebhooks = ["ftp://hooks.example/"]', "alerts.webhooks 'ftp://hooks.example/'"),
        ('[usage]\nwebhook = "https://me:secret@hooks.example/"', "usage.webhook .*leave out user"),
        ('[usage]\nwebhook = "https://hooks.example:99999/"', "usage.webhook .*[Pp]ort"),
    ],
)
def test_mistakes_are_named(more: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        read(more)
