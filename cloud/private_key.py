"""The cloud's private keys: files that nobody else reads, or credentials that the service manager brings."""

from collections.abc import Iterable
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from cloud.config import CREDENTIAL, ConfigError

_OTHERS = 0o077
_MAX_BYTES = 4096


def read_private_keys(names: Iterable[str], credentials: str | None) -> list[X25519PrivateKey]:
    """Read keys by file name, or by `credential:NAME` from the folder `credentials`. Raises ConfigError."""
    return [_x25519(*read_private(name, credentials, "security")) for name in names]


def read_private(name: str, credentials: str | None, setting: str) -> tuple[Path, bytes]:
    """Read a file that is for its owner only, or a credential; ConfigError names the setting."""
    path = _place(name, credentials, setting)
    return path, _read(path, setting)


def _place(name: str, credentials: str | None, setting: str) -> Path:
    if not name.startswith(CREDENTIAL):
        return Path(name)
    file = name.removeprefix(CREDENTIAL)
    if credentials is None:
        raise ConfigError(
            f"{setting}: {name}: no credentials were given to this process (CREDENTIALS_DIRECTORY)"
        )
    if Path(file).name != file:
        raise ConfigError(f"{setting}: {name}: a credential's name has no folder")
    return Path(credentials) / file


def _read(path: Path, setting: str) -> bytes:
    try:
        mode = path.stat().st_mode
        if mode & _OTHERS:
            raise ConfigError(
                f"{setting}: {path} can be read by others (mode {mode & 0o777:04o}): chmod 600 {path}"
            )
        with path.open("rb") as file:
            return file.read(_MAX_BYTES)
    except OSError as error:
        raise ConfigError(f"{setting}: {path}: {error.strerror}") from error


def _x25519(path: Path, data: bytes) -> X25519PrivateKey:
    try:
        key = load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"security: {path}: no private key in PEM without a password") from error
    if not isinstance(key, X25519PrivateKey):
        raise ConfigError(f"security: {path}: not an X25519 key")
    return key
