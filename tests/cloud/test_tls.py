"""Ingest over TLS: with our certificate, to a broker that has one of our authority, or not at all."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.config import Broker, ConfigError
from cloud.subscription import Subscription
from tests.cloud.waiting import until
from tests.mosquitto import Mosquitto, mosquitto
from tests.pki import Pki

MUTUAL = """\
user root
listener {port} 127.0.0.1
allow_anonymous true
require_certificate true
cafile {folder}/ca.pem
certfile {folder}/server.pem
keyfile {folder}/server.key
"""


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path)


@pytest.fixture
def broker(tmp_path: Path, pki: Pki) -> Iterator[Mosquitto]:
    del pki
    with mosquitto(tmp_path, MUTUAL) as running:
        yield running


def trouble(settings: Broker) -> str | None:
    """Connect, and tell what came of it."""
    subscription = Subscription(settings, lambda: 0)
    subscription.open()

    def decided() -> bool:
        subscription.next(1, 0.1)
        return subscription.trouble != "not connected yet"

    until(decided)
    subscription.next(1, 0.3)
    subscription.close()
    return subscription.trouble


def test_both_sides_know_each_other(broker: Mosquitto, pki: Pki) -> None:
    ours = pki.client("cloud.main")
    settings = Broker(
        "127.0.0.1", broker.port, ca=str(pki.ca), certificate=str(ours.certificate), key=str(ours.key)
    )
    assert trouble(settings) is None


def test_a_broker_of_another_authority_is_not_talked_to(broker: Mosquitto, pki: Pki, tmp_path: Path) -> None:
    ours, other = pki.client("cloud.main"), Pki(tmp_path / "other")
    settings = Broker(
        "127.0.0.1", broker.port, ca=str(other.ca), certificate=str(ours.certificate), key=str(ours.key)
    )
    assert "certificate verify failed" in (trouble(settings) or "")


def test_a_broker_under_another_name_is_not_talked_to(broker: Mosquitto, pki: Pki) -> None:
    settings = Broker("127.0.0.2", broker.port, ca=str(pki.ca))
    assert trouble(settings) is not None


def test_without_our_certificate_we_are_not_let_in(broker: Mosquitto, pki: Pki) -> None:
    assert trouble(Broker("127.0.0.1", broker.port, ca=str(pki.ca))) is not None


def test_a_broker_that_does_not_let_us_in_is_quoted(tmp_path: Path) -> None:
    config = "user root\nlistener {port} 127.0.0.1\nallow_anonymous false\n"
    with mosquitto(tmp_path, config) as broker:
        assert "refused: Not authorized" in (trouble(Broker("127.0.0.1", broker.port)) or "")


def test_certificates_that_cannot_be_used_are_named_by_their_key(tmp_path: Path, pki: Pki) -> None:
    ours, other = pki.client("cloud.main"), pki.client("cloud.other")
    with pytest.raises(ConfigError, match=r"broker\.ca: /nowhere/ca\.pem: No such file"):
        Subscription(Broker("b", ca="/nowhere/ca.pem"), lambda: 0)
    (tmp_path / "text").write_text("no certificate")
    with pytest.raises(ConfigError, match=r"broker\.ca: .*text"):
        Subscription(Broker("b", ca=str(tmp_path / "text")), lambda: 0)
    settings = Broker("b", ca=str(pki.ca), certificate=str(ours.certificate), key=str(other.key))
    with pytest.raises(
        ConfigError, match=r"broker\.certificate: .*cloud\.main\.pem, broker\.key: .*other\.key"
    ):
        Subscription(settings, lambda: 0)
    settings = Broker("b", ca=str(pki.ca), certificate=str(ours.certificate), key="/nowhere/none")
    with pytest.raises(ConfigError, match=r"broker\.certificate: .*No such file"):
        Subscription(settings, lambda: 0)
