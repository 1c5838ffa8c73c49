"""Keys: whole and secret, or refused with the setting and the file by their names."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    PublicFormat,
)

from edge.config import Config, ConfigError, load
from edge.keys import load_keys, load_tls
from tests.edge.cloud import TOPICS
from tests.edge.sealing import Secrets, device_key, write_private
from tests.edge.settings import config_of, write_config
from tests.pki import Pki

SEALED = ""
WITH_TLS = 'ca = "pki/ca.pem"'
CAMERAS = {"door": "door.mp4"}


def sealed_config(folder: Path, secrets: Secrets, broker: str = SEALED) -> Config:
    secrets.write(folder)
    return config_of(folder, 1883, folder, CAMERAS, broker=broker)


def mutual_config(folder: Path) -> Config:
    """Write settings and files for TLS, without sealing."""
    pki = Pki(folder / "pki")
    own = pki.device(TOPICS)
    path = write_config(folder, 1883, folder, CAMERAS, broker=WITH_TLS + '\nenvelope = "none"')
    keys = f'key = "{own.key}"\ncertificate = "{own.certificate}"'
    path.write_text(path.read_text().replace("[device]", f"[device]\n{keys}"))
    return load(path)


def test_sealing_is_the_default_and_takes_both_keys(tmp_path: Path, secrets: Secrets) -> None:
    config = sealed_config(tmp_path, secrets)
    assert config.broker.envelope == "sealed"
    found = load_keys(config)
    assert found is not None
    assert found.device.private_numbers() == secrets.device.private_numbers()
    assert found.cloud.public_bytes_raw() == secrets.cloud.public_key().public_bytes_raw()


def test_a_lab_needs_no_keys(tmp_path: Path) -> None:
    config = config_of(tmp_path, 1883, tmp_path, CAMERAS)
    assert (load_keys(config), load_tls(config)) == (None, None)


@pytest.mark.parametrize(
    ("setting", "file"), [("device.key", "device.key"), ("broker.cloud_key", "cloud.pub")]
)
def test_a_missing_key_is_named(tmp_path: Path, secrets: Secrets, setting: str, file: str) -> None:
    config = sealed_config(tmp_path, secrets)
    (tmp_path / file).unlink()
    with pytest.raises(ConfigError, match=f"^{setting}: {tmp_path / file}: No such file"):
        load_keys(config)


@pytest.mark.parametrize(
    ("setting", "file"), [("device.key", "device.key"), ("broker.cloud_key", "cloud.pub")]
)
def test_a_key_that_is_none_is_named(tmp_path: Path, secrets: Secrets, setting: str, file: str) -> None:
    config = sealed_config(tmp_path, secrets)
    for content in (b"", b"hello", (tmp_path / file).read_bytes()[:60], bytes(100)):
        (tmp_path / file).write_bytes(content)
        with pytest.raises(ConfigError, match=f"^{setting}: {tmp_path / file}: is no .* key in PEM"):
            load_keys(config)


def test_a_key_of_another_kind_is_named(tmp_path: Path, secrets: Secrets) -> None:
    config = sealed_config(tmp_path, secrets)
    public = device_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "cloud.pub").write_bytes(public)
    with pytest.raises(ConfigError, match=r"broker\.cloud_key: .*cloud\.pub: is no X25519 key"):
        load_keys(config)
    for other in (X25519PrivateKey.generate(), generate_private_key(SECP384R1())):
        write_private(tmp_path / "device.key", other)
        with pytest.raises(ConfigError, match=r"device\.key: .*device\.key: is no key for ECDSA over P-256"):
            load_keys(config)


def test_a_key_with_a_password_is_refused_and_nobody_is_asked(tmp_path: Path, secrets: Secrets) -> None:
    config = sealed_config(tmp_path, secrets)
    locked = secrets.device.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"pw"))
    (tmp_path / "device.key").write_bytes(locked)
    with pytest.raises(ConfigError, match="without a password"):
        load_keys(config)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o610, 0o644])
def test_a_device_key_that_others_may_read_is_refused(tmp_path: Path, secrets: Secrets, mode: int) -> None:
    config = sealed_config(tmp_path, secrets)
    (tmp_path / "device.key").chmod(mode)
    with pytest.raises(ConfigError, match=r"device\.key: .*: others may read it: chmod 600"):
        load_keys(config)
    (tmp_path / "device.key").chmod(0o400)
    assert load_keys(config) is not None


def credential_config(folder: Path, secrets: Secrets, name: str) -> Config:
    secrets.write(folder)
    path = write_config(folder, 1883, folder, CAMERAS, broker=SEALED)
    path.write_text(path.read_text().replace("[device]", f'[device]\nkey = "credential:{name}"'))
    return load(path)


def test_the_device_key_may_be_a_credential(tmp_path: Path, secrets: Secrets) -> None:
    config = credential_config(tmp_path, secrets, "own")
    folder = tmp_path / "credentials"
    folder.mkdir()
    write_private(folder / "own", secrets.device, 0o440)  # as systemd does it, with an ACL
    found = load_keys(config, folder)
    assert found is not None
    assert found.device.private_numbers() == secrets.device.private_numbers()


def test_a_credential_that_is_not_there_is_named(tmp_path: Path, secrets: Secrets) -> None:
    config = credential_config(tmp_path, secrets, "own")
    with pytest.raises(ConfigError, match=r"device\.key: credential:own: \$CREDENTIALS_DIRECTORY is not set"):
        load_keys(config)
    with pytest.raises(ConfigError, match=r"device\.key: .*own: No such file"):
        load_keys(config, tmp_path)


@pytest.mark.parametrize("name", ["../device.key", "a/b", "/etc/passwd", "", ".."])
def test_a_credential_is_a_file_in_its_folder(tmp_path: Path, secrets: Secrets, name: str) -> None:
    with pytest.raises(ConfigError, match=r"device\.key"):
        load_keys(credential_config(tmp_path, secrets, name), tmp_path)


def test_tls_takes_certificate_key_and_authority(tmp_path: Path) -> None:
    config = mutual_config(tmp_path)
    assert load_keys(config) is None
    tls = load_tls(config)
    assert tls is not None
    assert tls.ca == str(tmp_path / "pki" / "ca.pem")


@pytest.mark.parametrize(
    ("setting", "file"),
    [("device.certificate", "jetson-1.pem"), ("broker.ca", "ca.pem"), ("device.key", "jetson-1.key")],
)
def test_files_of_tls_that_cannot_be_used_are_named(tmp_path: Path, setting: str, file: str) -> None:
    config = mutual_config(tmp_path)
    path = tmp_path / "pki" / file
    path.write_bytes(b"hello")
    with pytest.raises(ConfigError, match=f"^{setting}: {path}: is no "):
        load_tls(config)
    path.unlink()
    with pytest.raises(ConfigError, match=f"^{setting}: {path}: No such file"):
        load_tls(config)


def test_a_certificate_of_another_key_is_named(tmp_path: Path) -> None:
    config = mutual_config(tmp_path)
    write_private(Path(config.device.key), device_key())
    with pytest.raises(ConfigError, match=r"device\.certificate: .*jetson-1\.pem: .*of the key"):
        load_tls(config)
