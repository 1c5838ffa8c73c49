"""The cloud's private key: a file that nobody else reads, or a credential that the service manager brings."""

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
    return [_read(_place(name, credentials)) for name in names]


def _place(name: str, credentials: str | None) -> Path:
    if not name.startswith(CREDENTIAL):
        return Path(name)
    file = name.removeprefix(CREDENTIAL)
    if credentials is None:
        raise ConfigError(
            f"security: {name}: no credentials were given to this process (CREDENTIALS_DIRECTORY)"
        )
    if Path(file).name != file:
        raise ConfigError(f"security: {name}: a credential's name has no folder")
    return Path(credentials) / file


def _read(path: Path) -> X25519PrivateKey:
    try:
        mode = path.stat().st_mode
        if mode & _OTHERS:
            raise ConfigError(
                f"security: {path} can be read by others (mode {mode & 0o777:04o}): chmod 600 {path}"
            )
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES)
    except OSError as error:
        raise ConfigError(f"security: {path}: {error.strerror}") from error
    try:
        key = load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"security: {path}: no private key in PEM without a password") from error
    if not isinstance(key, X25519PrivateKey):
        raise ConfigError(f"security: {path}: not an X25519 key")
    return key
