"""How a device gets its certificate, from one TOML file. Unknown keys are errors that name the key.

    [enrolment] url        https://cloud.example.com:8444/api/v1/enrol
                name       TENANT/SITE/DEVICE
                ca         PEM of the authority, for the cloud's address and for our certificate
                claim      file with the claim, which is removed once it was used
                tpm        instead of a claim: where the TPM is, "device:/dev/tpmrm0"
                identity   folder for device.key and device.pem

Paths are relative to the file's folder.
"""

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta, Struct
from msgspec.structs import replace

from wire.toml import TomlError, parse_as
from wire.topics import DeviceTopics, TopicError

_ENROL = "/enrol"
Name = Annotated[str, Meta(min_length=1)]


class EnrolmentConfigError(ValueError):
    """The settings of enrolment cannot be used; the message names the file and the key."""


class EnrolmentConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the device asks, as whom, and where its identity is kept."""

    url: Name
    name: Name
    ca: Name
    identity: Name
    claim: Name | None = None
    tpm: Name | None = None

    def __post_init__(self) -> None:
        _check_url(self.url)
        if (self.claim is None) == (self.tpm is None):
            raise ValueError("enrolment.claim or enrolment.tpm: one of them is needed, and not both")
        parts = self.name.split("/")
        if len(parts) != 3:
            raise ValueError(f"enrolment.name {self.name!r} is not TENANT/SITE/DEVICE")
        try:
            DeviceTopics(*parts)
        except TopicError as error:
            raise ValueError(f"enrolment.name: {error}") from error

    @property
    def device(self) -> str:
        return self.name.rpartition("/")[2]

    @property
    def base(self) -> str:
        """Give the address below which all is asked."""
        return self.url.removesuffix(_ENROL)


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    enrolment: EnrolmentConfig


def load(path: Path) -> EnrolmentConfig:
    """Read a settings file, or raise EnrolmentConfigError."""
    try:
        found = parse_as(path.read_bytes(), _File, str(path)).enrolment
    except OSError as error:
        raise EnrolmentConfigError(f"{path}: {error.strerror or error}") from error
    except TomlError as error:
        raise EnrolmentConfigError(str(error)) from error
    folder = path.parent
    return replace(
        found,
        ca=str(folder / found.ca),
        claim=None if found.claim is None else str(folder / found.claim),
        identity=str(folder / found.identity),
    )


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname or not parts.path.endswith(_ENROL):
        raise ValueError(f"enrolment.url {url!r} is not https://HOST:PORT/api/v1{_ENROL}")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise ValueError(f"enrolment.url {url!r}: a claim is not sent over plain HTTP: use https")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
