"""The settings of `mirage bridge home-assistant`, from one TOML file.

    [broker]          Mirage's, as mirage/subscriber/settings.py describes it
    [filter]          tenant, site, device, camera: what is bridged
    [home_assistant]  its broker, described likewise; discovery_prefix = "homeassistant",
                      topic_prefix = "mirage-bridge", forget_days = 30
    [pictures]        url = "https://mirage.example", token_file, every_s = 10

Without [pictures] there are none. Paths are relative to the file's folder.
"""

import re
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta, Struct
from msgspec.structs import replace

from mirage.subscriber.settings import Broker, Filter, SettingsError, below, read

_PREFIX = r"\A[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+){0,7}\Z"
Prefix = Annotated[str, Meta(pattern=_PREFIX, max_length=128)]


class HomeAssistant(Broker, frozen=True, forbid_unknown_fields=True):
    """The broker that Home Assistant listens to, and below which topics.

    A second bridge needs another `topic_prefix`. A device that has not been there for `forget_days` is taken
    back; 0 keeps it for ever.
    """

    discovery_prefix: Prefix = "homeassistant"
    topic_prefix: Prefix = "mirage-bridge"
    forget_days: Annotated[float, Meta(ge=0, le=36_500)] = 30.0


class PicturesFrom(Struct, frozen=True, forbid_unknown_fields=True):
    """Where thumbnails are fetched, with a viewer's token if need be; at most one in `every_s` a camera."""

    url: Annotated[str, Meta(min_length=1, max_length=512)]
    token_file: str | None = None
    every_s: Annotated[float, Meta(ge=0, le=86_400)] = 10.0

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
            raise ValueError(f"url {self.url!r} is not http://HOST/… or https://HOST/…")

    def token(self) -> str | None:
        """Read the token: the file's only word. Raises SettingsError."""
        if self.token_file is None:
            return None
        try:
            text = Path(self.token_file).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"pictures.token_file: {self.token_file}: {error}") from error
        if re.fullmatch(r"[!-~]+", text) is None:
            raise SettingsError(f"pictures.token_file: {self.token_file}: holds no token")
        return text


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    broker: Broker
    home_assistant: HomeAssistant
    filter: Filter = Filter()
    pictures: PicturesFrom | None = None


def load(path: Path) -> Settings:
    """Read a settings file, or raise SettingsError."""
    settings = read(path, Settings)
    pictures = settings.pictures
    if pictures is not None and pictures.token_file is not None:
        pictures = replace(pictures, token_file=str(path.parent / pictures.token_file))
    return replace(
        settings,
        broker=below(settings.broker, path.parent),
        home_assistant=below(settings.home_assistant, path.parent),
        pictures=pictures,
    )
