"""Where updates come from, from one TOML file. Unknown keys are errors that name the key.

    [update] url              below it: ID/index.json, ID/packs/*.pack
             key              who may sign releases: Ed25519, PEM ("release.pub")
             ca               PEM of the authority of the server's certificate ("ca.pem")
             identity         folder with device.key and device.pem, shown where the server asks
             root             slots, bundles, update/state.json ("/opt/mirage")
             wishes           what the agent may write ("/var/lib/mirage/update")
             health_minutes   so long may a new version take until the cloud has stored something of it (10)
             bytes_per_s      how fast is fetched (no limit)
             byte_budget      what one order may take of the link, both ways, all tries together (no limit)

Paths are relative to the file's folder.
"""

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta, Struct
from msgspec.structs import replace

from wire.release import ReleaseError, public_key
from wire.toml import TomlError, parse_as

File = Annotated[str, Meta(min_length=1)]


class UpdateConfigError(ValueError):
    """The settings of updates cannot be used; the message names the file and the key."""


class UpdateConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Where releases are, who signs them, and what they may take."""

    url: File
    key: File = "release.pub"
    ca: File = "ca.pem"
    identity: File = "/var/lib/mirage-identity"
    root: File = "/opt/mirage"
    wishes: File = "/var/lib/mirage/update"
    health_minutes: Annotated[float, Meta(gt=0, le=1440)] = 10
    bytes_per_s: Annotated[float, Meta(ge=64)] | None = None
    byte_budget: Annotated[int, Meta(ge=1)] | None = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("https", "http") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f"update.url {self.url!r} is not https://HOST:PORT/PATH")
        if parts.scheme == "http" and not _is_loopback(parts.hostname):
            raise ValueError(f"update.url {self.url!r}: plain HTTP tells everybody what runs here: use https")

    @property
    def folder(self) -> Path:
        """Where the updater keeps its state and what it fetches; only root writes there."""
        return Path(self.root, "update")


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    update: UpdateConfig


def load(path: Path) -> UpdateConfig:
    """Read a settings file, or raise UpdateConfigError."""
    try:
        found = parse_as(path.read_bytes(), _File, str(path)).update
    except OSError as error:
        raise UpdateConfigError(f"{path}: {error.strerror or error}") from error
    except TomlError as error:
        raise UpdateConfigError(str(error)) from error
    folder = path.resolve().parent
    anchored = {
        name: str(folder / getattr(found, name)) for name in ("key", "ca", "identity", "root", "wishes")
    }
    return replace(found, **anchored)


def read_key(config: UpdateConfig) -> bytes:
    """Read who may sign releases, in PEM, or raise UpdateConfigError."""
    try:
        pem = Path(config.key).read_bytes()
        public_key(pem)
    except OSError as error:
        raise UpdateConfigError(f"update.key: {config.key}: {error.strerror or error}") from error
    except ReleaseError as error:
        raise UpdateConfigError(f"update.key: {config.key}: {error}") from error
    return pem


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
