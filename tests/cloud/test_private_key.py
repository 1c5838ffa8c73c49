"""The cloud's private key: read if nobody else can, and named clearly if not."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from cloud.config import ConfigError
from cloud.private_key import read_private_keys

KEY = X25519PrivateKey.generate()


def write(path: Path, data: bytes | None = None, mode: int = 0o600) -> Path:
    path.write_bytes(data or KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    path.chmod(mode)
    return path


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_key_that_only_its_owner_reads_is_read(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path / "cloud.key", mode=mode)
    (key,) = read_private_keys([str(path)], None)
    assert key.private_bytes_raw() == KEY.private_bytes_raw()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o610, 0o666])
def test_a_key_that_others_may_touch_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path / "cloud.key", mode=mode)
    with pytest.raises(ConfigError, match=rf"{path} .*{mode:04o}.*chmod 600"):
        read_private_keys([str(path)], None)


def test_a_credential_is_found_in_its_folder(tmp_path: Path) -> None:
    write(tmp_path / "cloud-key", mode=0o400)
    keys = read_private_keys(["credential:cloud-key"], str(tmp_path))
    assert [key.private_bytes_raw() for key in keys] == [KEY.private_bytes_raw()]


@pytest.mark.parametrize(
    ("name", "credentials", "reason"),
    [
        ("credential:cloud-key", None, "CREDENTIALS_DIRECTORY"),
        ("credential:../cloud-key", "/run", "no folder"),
        ("credential:absent", "/run", "/run/absent: No such file"),
        ("/nowhere/cloud.key", None, "/nowhere/cloud.key: No such file"),
    ],
)
def test_a_key_that_is_not_there_is_named(name: str, credentials: str | None, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        read_private_keys([name], credentials)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"no key", "no private key in PEM", id="text"),
        pytest.param(
            KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")),
            "without a password",
            id="with a password",
        ),
        pytest.param(
            generate_private_key(SECP256R1()).private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
            ),
            "not an X25519 key",
            id="of a device",
        ),
    ],
)
def test_what_is_no_such_key_is_refused(tmp_path: Path, data: bytes, reason: str) -> None:
    path = write(tmp_path / "cloud.key", data)
    with pytest.raises(ConfigError, match=reason):
        read_private_keys([str(path)], None)
