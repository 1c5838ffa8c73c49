"""What the command line says of broker and filter, over what a file says."""

from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from mirage.errors import InputError
from mirage.subscriber.settings import LEVELS, Broker, Filter, Settings, load


@dataclass(frozen=True, slots=True)
class Choice:
    """Options as they were given; None for those that were not."""

    config: Path | None = None
    host: str | None = None
    port: int | None = None
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    tenant: str | None = None
    site: str | None = None
    device: str | None = None
    camera: str | None = None


def settings_of(choice: Choice) -> Settings:
    """Put file and options together. Raises SettingsError, InputError."""
    if (choice.config is None) == (choice.host is None):
        raise InputError("name the broker: either --config FILE.toml or --host HOST")
    files = (choice.ca, choice.certificate, choice.key)
    if choice.config is not None and (choice.port, *files) != (None,) * 4:
        raise InputError("--port, --ca, --certificate and --key go with --host; a file has its own")
    levels = {name: value for name in LEVELS if (value := getattr(choice, name)) is not None}
    try:
        if choice.config is not None:
            settings = load(choice.config)
        else:
            ca, certificate, key = (None if file is None else str(file) for file in files)
            broker = Broker(choice.host or "", choice.port, ca=ca, certificate=certificate, key=key)
            settings = Settings(broker)
        return replace(settings, filter=_over(settings.filter, levels))
    except ValueError as error:
        raise InputError(str(error)) from error


def _over(filter_: Filter, levels: dict[str, str]) -> Filter:
    return Filter(**{name: levels.get(name, getattr(filter_, name)) for name in LEVELS})
