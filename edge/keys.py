"""The keys of a device: its own, which proves who it is, and the public half of the cloud's.

[device] key            private, ECDSA P-256, PEM; for its owner only (0600 or 0400), or else
                        credential:NAME, the file NAME in the folder in which systemd hands them over
[device] certificate    X.509, PEM; where the broker is reached by TLS
[broker] cloud_key      public, X25519, PEM
"""

from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from cryptography.x509 import Certificate, load_pem_x509_certificate

from edge.config import CREDENTIAL, Config, ConfigError
from edge.tls import Tls, TlsError

_OTHERS = 0o077  # permissions of everybody but the owner


@dataclass(frozen=True, slots=True)
class Keys:
    """What packets are sealed for, and births are signed with."""

    device: EllipticCurvePrivateKey
    cloud: X25519PublicKey


def load_keys(config: Config, credentials: Path | None = None) -> Keys | None:
    """Read what sealing takes, or raise ConfigError; None where nothing is sealed."""
    if config.broker.envelope == "none":
        return None
    return Keys(device_key(config, credentials), cloud_key(config))


def load_tls(config: Config, credentials: Path | None = None) -> Tls | None:
    """Read what TLS takes, or raise ConfigError; None where the broker is reached without."""
    if config.broker.ca is None:
        return None
    device_key(config, credentials)
    certificate(config)
    tls = Tls(config.broker.ca, config.device.certificate, str(_key_path(config, credentials)))
    try:
        tls.context()
    except TlsError as error:
        key = "broker.ca" if error.file == tls.ca else "device.certificate"
        raise ConfigError(f"{key}: {error}") from error
    return tls


def device_key(config: Config, credentials: Path | None = None) -> EllipticCurvePrivateKey:
    """Read the device's own key, or raise ConfigError."""
    path = _key_path(config, credentials)
    data = _read("device.key", path)
    if not config.device.key.startswith(CREDENTIAL) and path.stat().st_mode & _OTHERS:
        raise ConfigError(f"device.key: {path}: others may read it: chmod 600 {path}")
    try:
        key = load_pem_private_key(data, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:  # TypeError: it takes a password
        raise ConfigError(f"device.key: {path}: is no private key in PEM without a password") from error
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
        raise ConfigError(f"device.key: {path}: is no key for ECDSA over P-256")
    return key


def cloud_key(config: Config) -> X25519PublicKey:
    """Read the public half of the cloud's key, or raise ConfigError."""
    path = Path(config.broker.cloud_key)
    data = _read("broker.cloud_key", path)
    try:
        key = load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"broker.cloud_key: {path}: is no public key in PEM") from error
    if not isinstance(key, X25519PublicKey):
        raise ConfigError(f"broker.cloud_key: {path}: is no X25519 key")
    return key


def certificate(config: Config) -> Certificate:
    """Read the device's certificate, or raise ConfigError."""
    path = Path(config.device.certificate)
    data = _read("device.certificate", path)
    try:
        return load_pem_x509_certificate(data)
    except ValueError as error:
        raise ConfigError(f"device.certificate: {path}: is no certificate in PEM") from error


def _key_path(config: Config, credentials: Path | None) -> Path:
    name = config.device.key
    if not name.startswith(CREDENTIAL):
        return Path(name)
    if credentials is None:
        raise ConfigError(f"device.key: {name}: $CREDENTIALS_DIRECTORY is not set")
    inside = name.removeprefix(CREDENTIAL)
    if Path(inside).name != inside:
        raise ConfigError(f"device.key: {name}: is not the name of a file in {credentials}")
    return credentials / inside


def _read(key: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{key}: {path}: {error.strerror or error}") from error
