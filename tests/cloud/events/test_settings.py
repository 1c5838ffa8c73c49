"""The settings of events: off unless they are switched on, and mistakes are named."""

import re
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
        ('[events]\nbase_url = "cameras.example"', "events.base_url is not http"),
        ('[events]\nbase_url = "https://cameras.example/"', "leave out the / at the end"),
        ('[events]\nbase_url = "https://me:secret@cameras.example"', "leave out user"),
        ("[events]\nfresh_s = 0", "fresh_s"),
        ("[events]\nkeep_hours = 0", "keep_hours"),
        ("[events]\nkeep_most = 0", "keep_most"),
        ("[events]\non = true", "on"),
        ('[alerts]\nwebhooks = ["ftp://hooks.example/"]', "alerts.webhooks at hooks.example is not http"),
        ('[usage]\nwebhook = "https://me:secret@hooks.example/"', "usage.webhook .*leave out user"),
        ('[usage]\nwebhook = "https://hooks.example:99999/"', "usage.webhook: .*port"),
        ('[alerts]\nwebhooks = ["https://hub.example/a//b"]', "alerts.webhooks at hub.example: .*without //"),
    ],
)
def test_mistakes_are_named(more: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        read(more)


@pytest.mark.parametrize(
    "url",
    [
        "https://me:s3cr3t@hooks.example/",
        "https://me:s3cr3t@hooks.example:99999/",
        "https://me:s3cr3t/hooks.example/",
        "https://hooks.example/s3cr3t#x",
        "https://hooks.example/s3cr3t//",
        "https://hooks.example/s3cr3t x",
        "ftp://hooks.example/s3cr3t",
        "https:s3cr3t",
        "https://s3cr3t[/",
    ],
)
@pytest.mark.parametrize(
    "setting",
    [
        "[alerts]\nwebhooks = [%r]",
        "[usage]\nwebhook = %r",
        "[[webhooks.receiver]]\nsecrets = ['x']\nurl = %r",
    ],
)
def test_a_secret_in_a_url_is_not_told(setting: str, url: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read(setting % url)
    assert "s3cr3t" not in str(refused.value)
    assert re.search(r"(alerts|usage|webhooks)\.[a-z.]+( at hooks\.example)?(:| is) ", str(refused.value))
