"""Where a subscriber finds its broker, and what it wants to hear, from one TOML file.

    [broker]  host, port = 1883 (8883 with ca), client = "";
              ca = "ca.pem", certificate = "viewer.pem", key = "viewer.key"; user, password_file
    [filter]  tenant, site, device, camera: one each; what is left out may be any

Paths are relative to the file's folder. It is not the cloud's own file: at a broker as deploy/broker/ sets it
up, whoever comes with the cloud's certificate throws the cloud out.
"""

from pathlib import Path
from typing import Annotated, TypeVar

from msgspec import Meta, Struct
from msgspec.structs import replace

from edge.tls import Tls
from wire import topics
from wire.toml import TomlError, parse_as
from wire.topics import PREFIX, Topic, TopicError

Port = Annotated[int, Meta(ge=1, le=65535)]
Name = Annotated[str, Meta(min_length=1, max_length=256)]
LEVELS = ("tenant", "site", "device", "camera")


class SettingsError(ValueError):
    """The settings cannot be used; the message names file and key."""


class Broker(Struct, frozen=True, forbid_unknown_fields=True):
    """How a broker is reached, and as whom.

    With `ca` the broker must have a certificate of that authority for `host`; `certificate` and `key` are
    ours. Without a `client` the broker gives an id, and nothing waits for us while we are away.
    """

    host: Name
    port: Port | None = None
    client: Annotated[str, Meta(max_length=256)] = ""
    ca: Name | None = None
    certificate: Name | None = None
    key: Name | None = None
    user: Name | None = None
    password_file: Name | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together")
        if self.certificate is not None and self.ca is None:
            raise ValueError("certificate needs ca")
        if self.password_file is not None and self.user is None:
            raise ValueError("password_file needs user")

    @property
    def address(self) -> tuple[str, int]:
        """Host and port; the port is the usual one unless it is given."""
        return self.host, self.port or (1883 if self.ca is None else 8883)

    @property
    def tls(self) -> Tls | None:
        """The files of TLS; None without `ca`."""
        return None if self.ca is None else Tls(self.ca, self.certificate, self.key)

    def password(self) -> str | None:
        """Read the password: the file's first line. Raises SettingsError."""
        if self.password_file is None:
            return None
        try:
            lines = Path(self.password_file).read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "is not UTF-8"
            raise SettingsError(f"password_file: {self.password_file}: {reason}") from error
        return lines[0] if lines else ""


class Filter(Struct, frozen=True, forbid_unknown_fields=True):
    """Which part of the fleet: each field one id, or None for any."""

    tenant: str | None = None
    site: str | None = None
    device: str | None = None
    camera: str | None = None

    def __post_init__(self) -> None:
        try:
            for level in LEVELS[:3]:
                if getattr(self, level) is not None:
                    topics.check_id(level, getattr(self, level))
            if self.camera is not None:
                topics.check_camera(self.camera)
        except TopicError as error:
            raise ValueError(str(error)) from error

    @property
    def root(self) -> str:
        """The part of a topic filter that all topics of these devices have in common."""
        return "/".join((PREFIX, *(name or "+" for name in (self.tenant, self.site, self.device))))

    @property
    def events(self) -> str:
        """The topic filter for events."""
        return f"{self.root}/{self.camera or '+'}/event"

    def admits(self, topic: Topic) -> bool:
        """Tell whether something is of this part; what has no camera is of all cameras of its device."""
        return all(
            getattr(self, level) in (None, getattr(topic, level)) or getattr(topic, level) is None
            for level in LEVELS
        )


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file of `mirage subscribe`."""

    broker: Broker
    filter: Filter = Filter()


_Kind = TypeVar("_Kind")


def load(path: Path) -> Settings:
    """Read a settings file, or raise SettingsError."""
    settings = read(path, Settings)
    return replace(settings, broker=below(settings.broker, path.parent))


def read(path: Path, kind: type[_Kind]) -> _Kind:
    """Read a settings file of some kind as it is written, or raise SettingsError."""
    try:
        return parse_as(path.read_bytes(), kind, str(path))
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    except TomlError as error:
        raise SettingsError(str(error)) from error


_Broker = TypeVar("_Broker", bound=Broker)


def below(broker: _Broker, folder: Path) -> _Broker:
    """Take the paths of its files for relative to a folder."""
    files = {name: getattr(broker, name) for name in ("ca", "certificate", "key", "password_file")}
    return replace(
        broker, **{name: None if file is None else str(folder / file) for name, file in files.items()}
    )
