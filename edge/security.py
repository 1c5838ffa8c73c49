"""What the doctor says of keys and certificates."""

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from edge.config import Config, ConfigError
from edge.keys import certificate, cloud_key, device_key

SOON = timedelta(days=30)  # a certificate that ends by then is named

Look = Callable[[Config, Path | None], str]


def examinations(config: Config) -> dict[str, Look]:
    """Give what to look at, by its name; each raises ConfigError for what cannot work."""
    looks: dict[str, Look] = {"envelope": _envelope}
    if config.broker.envelope == "sealed" or config.broker.ca is not None:
        looks["device key"] = _device_key
    if config.broker.envelope == "sealed":
        looks["cloud key"] = _cloud_key
    if config.broker.ca is not None:
        looks["certificate"] = _certificate
    return looks


def _envelope(config: Config, _credentials: Path | None) -> str:
    if config.broker.envelope == "sealed":
        return "sealed for the cloud"
    return "WARNING: none: whoever reads the broker reads the packets; for a lab only"


def _device_key(config: Config, credentials: Path | None) -> str:
    device_key(config, credentials)
    return f"{config.device.key}: ECDSA P-256, for its owner only"


def _cloud_key(config: Config, _credentials: Path | None) -> str:
    cloud_key(config)
    return f"{config.broker.cloud_key}: X25519"


def _certificate(config: Config, credentials: Path | None) -> str:
    """Check that it is of this device and key, and valid now."""
    path, found = config.device.certificate, certificate(config)
    names = [str(each.value) for each in found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if names != [config.device.id]:
        raise ConfigError(f"device.certificate: {path}: is of {', '.join(names)}, not of {config.device.id}")
    own = device_key(config, credentials).public_key()
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if found.public_key().public_bytes(*form) != own.public_bytes(*form):
        raise ConfigError(f"device.certificate: {path}: is of another key than {config.device.key}")
    now, begin, end = datetime.now(timezone.utc), found.not_valid_before_utc, found.not_valid_after_utc
    if now < begin:
        raise ConfigError(f"device.certificate: {path}: is not valid before {begin:%Y-%m-%d %H:%M} UTC")
    if now > end:
        raise ConfigError(f"device.certificate: {path}: has expired on {end:%Y-%m-%d %H:%M} UTC")
    detail = f"{path}: of {config.device.id}, valid until {end:%Y-%m-%d %H:%M} UTC"
    return detail + ": WARNING: that is soon" * (end - now < SOON)
