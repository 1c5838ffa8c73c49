"""The doctor on keys and certificates: each checked for real, each fault in one line."""

from pathlib import Path

import pytest

from edge.config import Config, load
from edge.doctor import Finding, examine
from mirage.demo.broker import LoopbackBroker, free_port
from tests.edge.cloud import TOPICS
from tests.edge.sealing import Secrets, device_key, write_private
from tests.edge.settings import config_of, write_config
from tests.edge.test_link import config_of as mutual
from tests.mosquitto import mosquitto
from tests.pki import EXPIRED, VALID, Credentials, Pki
from wire.topics import DeviceTopics


def by_name(config: Config, credentials: Path | None = None) -> dict[str, Finding]:
    return {finding.name: finding for finding in examine(config, credentials)}


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path / "pki")


def enrolled(folder: Path, pki: Pki, own: Credentials, port: int | None = None) -> Config:
    """Write settings and keys of a device with a certificate."""
    secrets = Secrets(own.private_key)
    secrets.write(folder)
    (folder / "device.pem").write_bytes(own.certificate.read_bytes())
    broker = f'ca = "{pki.ca}"'
    return config_of(folder, port or free_port(), folder, {"door": "gone.mp4"}, broker=broker)


def test_a_device_that_is_enrolled_is_healthy(tmp_path: Path, pki: Pki) -> None:
    folder = tmp_path / "broker"
    folder.mkdir()
    with mosquitto(folder, mutual(pki.folder)) as broker:
        found = by_name(enrolled(tmp_path, pki, pki.device(TOPICS), broker.port))
    names = ("envelope", "device key", "cloud key", "certificate", "broker")
    assert [found[name].ok for name in names] == [True] * 5
    assert found["envelope"].detail == "sealed for the cloud"
    assert "for its owner only" in found["device key"].detail
    assert f"of {TOPICS.device}, valid until {VALID.until:%Y-%m-%d %H:%M} UTC" in found["certificate"].detail
    assert found["certificate"].detail.endswith("WARNING: that is soon")
    assert "with TLS on both sides" in found["broker"].detail


def certificate_of(folder: Path, pki: Pki, own: Credentials) -> Finding:
    return by_name(enrolled(folder, pki, own))["certificate"]


def test_a_certificate_that_has_expired_is_named(tmp_path: Path, pki: Pki) -> None:
    found = certificate_of(tmp_path, pki, pki.device(TOPICS, validity=EXPIRED))
    assert (found.ok, f"has expired on {EXPIRED.until:%Y-%m-%d %H:%M} UTC" in found.detail) == (False, True)


def test_a_certificate_of_another_device_is_named(tmp_path: Path, pki: Pki) -> None:
    found = certificate_of(tmp_path, pki, pki.device(DeviceTopics("acme", "plant", "jetson-2")))
    assert (found.ok, "is of jetson-2, not of jetson-1" in found.detail) == (False, True)


def test_a_certificate_of_another_key_is_named(tmp_path: Path, pki: Pki) -> None:
    config = enrolled(tmp_path, pki, pki.device(TOPICS))
    write_private(tmp_path / "device.key", device_key())
    found = by_name(config)["certificate"]
    assert (found.ok, "is of another key than" in found.detail) == (False, True)


def test_missing_and_open_keys_are_named_and_the_rest_is_looked_at(tmp_path: Path, pki: Pki) -> None:
    config = enrolled(tmp_path, pki, pki.device(TOPICS))
    (tmp_path / "device.key").chmod(0o644)
    (tmp_path / "cloud.pub").unlink()
    found = by_name(config)
    assert "device.key: others may read it" in found["device key"].detail
    assert "broker.cloud_key" in found["cloud key"].detail
    assert not any(found[name].ok for name in ("device key", "cloud key", "certificate", "broker"))
    assert all("\n" not in finding.detail for finding in found.values())


def test_a_broker_of_another_authority_is_named(tmp_path: Path, pki: Pki) -> None:
    other, folder = Pki(tmp_path / "other"), tmp_path / "broker"
    folder.mkdir()
    with mosquitto(folder, mutual(other.folder)) as broker:
        found = by_name(enrolled(tmp_path, pki, pki.device(TOPICS), broker.port))
    assert "certificate of the broker is refused" in found["broker"].detail


def test_a_lab_is_warned_of(tmp_path: Path, broker: LoopbackBroker) -> None:
    found = by_name(config_of(tmp_path, broker.port, tmp_path, {"door": "gone.mp4"}))
    assert found["envelope"].ok
    assert found["envelope"].detail.startswith("WARNING: none: ")
    assert found["broker"].ok
    assert not found.keys() & {"device key", "cloud key", "certificate"}


def test_a_credential_is_looked_for_where_it_is(tmp_path: Path, secrets: Secrets) -> None:
    secrets.write(tmp_path)
    path = write_config(tmp_path, free_port(), tmp_path, {"door": "gone.mp4"}, broker="")
    path.write_text(path.read_text().replace("[device]", '[device]\nkey = "credential:device.key"'))
    config = load(path)
    assert by_name(config, tmp_path)["device key"].ok
    assert "CREDENTIALS_DIRECTORY" in by_name(config)["device key"].detail
