"""The secrets of webhooks: read if nobody else can, and whoever is called without one is named."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from cloud import config
from cloud.config import Config, ConfigError
from cloud.webhook_secrets import signers_of
from tests.cloud.test_signatures import SECRET

PLAIN = '[broker]\nhost = "b"\n[bundle]\npaths = ["x"]\n'
CALLED = (
    '[alerts]\nwebhooks = ["https://a.example/hooks/", "https://b.example/s3cr3t/"]\n'
    '[usage]\nwebhook = "https://c.example/u"\n'
)
EVENT = b'{"source": "/mirage/v1/acme", "id": "1"}'


@pytest.fixture(autouse=True)
def _secrets(tmp_path: Path) -> None:
    for name in ("old", "new", "own"):
        path = tmp_path / f"{name}.secret"
        path.write_text(f"{SECRET}\n")
        path.chmod(0o600)


def read(folder: Path, more: str) -> Config:
    return config.parse(f"{PLAIN}{CALLED}{more}".encode(), folder / "cloud.toml")


def test_files_and_credentials_are_read_and_all_of_them_sign(tmp_path: Path) -> None:
    settings = read(tmp_path, '[webhooks]\nsecrets = ["new.secret", "credential:old.secret"]\n')
    with capture_logs() as logs:
        signers = signers_of(settings, str(tmp_path))
    headers = signers.of("https://a.example/hooks/x").headers(EVENT, 0)
    assert len(headers["webhook-signature"].split()) == 2
    assert logs == []


def test_who_is_called_without_a_secret_is_named_in_one_line(tmp_path: Path) -> None:
    own = '[[webhooks.receiver]]\nurl = "https://a.example/"\nsecrets = ["own.secret"]\n'
    with capture_logs() as logs:
        signers = signers_of(read(tmp_path, own), None)
    assert signers.of("https://a.example/hooks/x").signs
    assert not signers.of("https://b.example/s3cr3t/x").signs
    (line,) = logs
    assert (line["log_level"], line["receivers"]) == ("warning", ["b.example", "c.example"])
    assert "not signed" in line["event"]
    assert "s3cr3t" not in str(line)


def test_a_cloud_that_calls_nobody_says_nothing_of_it() -> None:
    with capture_logs() as logs:
        signers_of(config.parse(PLAIN.encode(), Path("cloud.toml")), None)
    assert logs == []


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ('[webhooks]\nsecrets = ["absent.secret"]', r"webhooks\.secrets: .*absent\.secret: No such file"),
        ('[webhooks]\nsecrets = ["open.secret"]', r"webhooks\.secrets: .*mode 0644.*chmod 600"),
        ('[webhooks]\nsecrets = ["bad.secret"]', r"webhooks\.secrets: .*bad\.secret: does not begin with"),
        ('[webhooks]\nsecrets = ["credential:x"]', "CREDENTIALS_DIRECTORY"),
        ('[webhooks]\nsecret = "own.secret"', "secret"),
        ('[[webhooks.receiver]]\nurl = "a.example"\nsecrets = ["own.secret"]', "is not http"),
        ('[[webhooks.receiver]]\nurl = "https://a.example/"\nsecrets = []', "secrets"),
        ('[[webhooks.receiver]]\nurl = "https://d.example/"\nsecrets = ["own.secret"]', "nobody calls it"),
    ],
)
def test_what_cannot_be_is_named(tmp_path: Path, more: str, reason: str) -> None:
    for name, mode, text in (("open", 0o644, SECRET), ("bad", 0o600, SECRET.removeprefix("whsec_"))):
        path = tmp_path / f"{name}.secret"
        path.write_text(text)
        path.chmod(mode)
    with pytest.raises(ConfigError, match=reason):
        signers_of(read(tmp_path, more), None)


def test_the_path_of_a_receiver_that_nobody_calls_is_not_told(tmp_path: Path) -> None:
    own = '[[webhooks.receiver]]\nurl = "https://d.example/s3cr3t/"\nsecrets = ["own.secret"]\n'
    with pytest.raises(ConfigError, match=r"webhooks\.receiver at d\.example: ") as refused:
        signers_of(read(tmp_path, own), None)
    assert "s3cr3t" not in str(refused.value)
