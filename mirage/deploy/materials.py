"""The files that the fleet file names, read and checked: certificates, keys, claims, passwords.

Nothing private of a device is among them, and a file that holds a private key is refused: a device makes its
own key, and nobody else ever has it.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate

from mirage.deploy.device import Device
from mirage.deploy.fleet import Fleet
from wire.release import ReleaseError, public_key

MAX_BYTES = 65_536
_OTHERS = 0o077
_CLAIM = re.compile(r"[A-Za-z0-9._~-]{16,512}")  # what an HTTP header takes, with 80 bits of chance at least
_PASSWORD = re.compile(r"[\x20-\x7e]{8,63}")  # WPA2


class MaterialError(ValueError):
    """A file that is needed is missing or wrong; the message names it and says what to do."""


@dataclass(frozen=True, slots=True)
class Materials:
    """What goes into one device's seed; a device with a TPM gets no claim."""

    ca: str
    cloud_key: str
    claim: str | None
    wifi_password: str | None = None
    release_key: str | None = None


def read_materials(fleet: Fleet, device: Device, folder: Path) -> Materials:
    """Read what a device's seed is made of; `folder` is that of the fleet file. Raises MaterialError."""
    wifi = device.network.wifi
    return Materials(
        read_ca(folder / fleet.broker.ca),
        read_cloud_key(folder / fleet.cloud.key),
        None if device.tpm is not None else _claim(claim_path(fleet, device, folder)),
        None
        if wifi is None
        else _secret(folder / wifi.password_file, _PASSWORD, "a password: 8 to 63 characters"),
        read_release_key(folder / fleet.release.key) if fleet.takes_updates and fleet.release.key else None,
    )


def _claim(path: Path) -> str:
    if not path.exists():
        raise MaterialError(
            f"{path}: No such file or directory: `mirage cloud claims create --fleet FILE` makes it"
        )
    return _secret(path, _CLAIM, "a claim: 16 to 512 letters, digits, . _ ~ -")


def claim_path(fleet: Fleet, device: Device, folder: Path) -> Path:
    """Say where a device's claim lies."""
    return folder / fleet.cloud.claims / f"{device.id}.claim"


def read_ca(path: Path) -> str:
    """Read the certificate of the broker's authority."""
    text = _public(path)
    try:
        load_pem_x509_certificate(text.encode())
    except ValueError as error:
        raise MaterialError(f"{path}: is no certificate in PEM") from error
    return text


def read_cloud_key(path: Path) -> str:
    """Read the key that packets are sealed for."""
    text = _public(path)
    try:
        key = load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise MaterialError(f"{path}: is no public key in PEM") from error
    if not isinstance(key, X25519PublicKey):
        raise MaterialError(f"{path}: is no X25519 key")
    return text


def read_release_key(path: Path) -> str:
    """Read the key that later releases are signed with."""
    text = _public(path)
    try:
        public_key(text.encode())
    except ReleaseError as error:
        raise MaterialError(f"{path}: {error}") from error
    return text


def _public(path: Path) -> str:
    text = _text(path)
    if "PRIVATE KEY" in text:
        raise MaterialError(f"{path}: holds a private key, which goes to no device")
    return text


def _secret(path: Path, form: re.Pattern[str], what: str) -> str:
    text = _text(path).rstrip("\n")
    if path.stat().st_mode & _OTHERS:
        raise MaterialError(f"{path}: others may read it: chmod 600 {path}")
    if not form.fullmatch(text):
        raise MaterialError(f"{path}: is not one line with {what}")
    return text


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise MaterialError(f"{path}: is larger than {MAX_BYTES} bytes")
        return data.decode("ascii")
    except OSError as error:
        raise MaterialError(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise MaterialError(f"{path}: is no plain text") from error
