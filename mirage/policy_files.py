"""Finds the three tables in files: of their own, or in the settings of an agent and of a cloud."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from msgspec import structs

from mirage.errors import InputError
from mirage.output import read_input
from wire import toml
from wire.policy import Network, PolicyError, Receiver, Sender, Tables
from wire.policy.reading import parse_tables
from wire.policy.tables import Role
from wire.policy.zones import Zone
from wire.toml import TomlError


@dataclass(frozen=True, slots=True)
class SenderFile:
    """What a sender states, and the zones of single cameras."""

    sender: Sender
    network: Network
    zones: Mapping[str, tuple[Zone, ...]] = field(default_factory=dict)

    def of_camera(self, camera: str | None) -> Sender:
        """Add the zones of one camera; which, need not be said where there is only one. Raises InputError."""
        if camera is None and len(self.zones) > 1:
            raise InputError(f"there are several cameras, say which by --camera: {', '.join(self.zones)}")
        if camera is not None and camera not in self.zones:
            raise InputError(f"there is no camera {camera!r}, only {', '.join(self.zones) or 'none at all'}")
        zones = self.zones[camera] if camera else next(iter(self.zones.values()), ())
        return structs.replace(self.sender, zones=(*self.sender.zones, *zones))


def read_sender(path: Path) -> SenderFile:
    """Read [sender] and [network] from a file of tables, or from an agent's settings.

    Raises InputError, PolicyError and ConfigError.
    """
    data = read_input(path)
    if "device" in _document(data, path):
        from edge.config import load

        config = load(path)
        zones = {camera.name: camera.zones for camera in config.camera}
        return SenderFile(config.sender, config.network, zones)
    tables = parse_tables(data, str(path))
    return SenderFile(tables.sender, tables.network)


def read_receiver(path: Path, role: Role = "viewer", camera: str | None = None) -> Receiver:
    """Read [receiver] from a file of tables, or what a cloud's settings ask for a role and of a camera.

    Raises as `read_sender`.
    """
    data = read_input(path)
    if not _is_cloud(path):
        return parse_tables(data, str(path)).receiver
    from cloud.config import load

    asked = load(path).receiver_for(role, camera)
    names = {
        name: tuple(Path(each).name for each in getattr(asked, name))
        for name in ("anchors", "people_anchors")
    }
    figure = None if asked.stand_in is None else Path(asked.stand_in).name
    return structs.replace(asked, **names, stand_in=figure)


@dataclass(frozen=True, slots=True)
class Viewpoint:
    """Whose clips are meant, where that makes a difference, and of which camera. Raises InputError."""

    role: Role = "viewer"
    camera: str | None = None

    def __post_init__(self) -> None:
        if self.camera is not None and self.camera.count("/") != 3:
            raise InputError(f"--camera {self.camera}: give tenant/site/device/camera")


def read_tables(
    sender: Path | None, network: Path | None, receiver: Path | None, start: Tables,
    viewpoint: Viewpoint = Viewpoint(),
) -> Tables:  # fmt: skip
    """Read what files there are; where one is missing, `start` holds. A cloud draws a figure if need be."""
    stated = None if sender is None else read_sender(sender)
    links = stated if network is None else read_sender(network)
    states = start.sender if stated is None else stated.sender
    asked = start.receiver if receiver is None else read_receiver(receiver, viewpoint.role, viewpoint.camera)
    if receiver is not None and _is_cloud(receiver):
        from cloud.terms import equipped

        asked = equipped(asked, states.receiver)
    return Tables(states, start.network if links is None else links.network, asked)


def _is_cloud(path: Path) -> bool:
    return "broker" in _document(read_input(path), path)


def _document(data: bytes, path: Path) -> dict[str, object]:
    try:
        return toml.parse(data, str(path))
    except TomlError as error:
        raise PolicyError(str(error)) from error
