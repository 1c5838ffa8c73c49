"""One device of the fleet file: what it is, where it is, and how it reaches the network."""

import ipaddress
from typing import Annotated, Literal

from msgspec import Meta, Struct

from mirage.deploy.boards import BOARDS, Board, Kind
from wire import topics
from wire.policy.zones import Zone
from wire.topics import TopicError

Text = Annotated[str, Meta(min_length=1, max_length=256, pattern=r"\A[^\x00-\x1f\x7f]+\Z")]
Serial = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9._-]{1,64}\Z")]  # names a folder in the seed
Mac = Annotated[str, Meta(pattern=r"\A[0-9a-f]{2}(:[0-9a-f]{2}){5}\Z")]
Platform = Literal["jetpack6", "jetpack7", "arm64", "amd64"]


class Wifi(Struct, frozen=True, forbid_unknown_fields=True):
    """A radio network; the password is in a file of mode 0600."""

    ssid: Annotated[str, Meta(min_length=1, max_length=32, pattern=r"\A[^\x00-\x1f\x7f]+\Z")]
    password_file: Text


class Network(Struct, frozen=True, forbid_unknown_fields=True):
    """Addresses of a device's uplink: DHCP, or what is said here."""

    address: str | None = None
    gateway: str | None = None
    dns: tuple[str, ...] = ()
    wifi: Wifi | None = None

    def __post_init__(self) -> None:
        if self.address is None and (self.gateway is not None or self.dns):
            raise ValueError("network.gateway and network.dns need network.address")
        if self.address is not None:
            if "/" not in self.address:
                raise ValueError(f"network.address {self.address!r} is not ADDRESS/PREFIX")
            version = ipaddress.ip_interface(self.address).version
            if self.gateway is not None and ipaddress.ip_address(self.gateway).version != version:
                raise ValueError(
                    f"network.gateway {self.gateway!r} is not of IPv{version}, as the address is"
                )
        for address in (*self.dns, *([self.gateway] if self.gateway else [])):
            ipaddress.ip_address(address)


class Camera(Struct, frozen=True, forbid_unknown_fields=True):
    """One camera, as in the agent's settings; `zones` are never seen, or the only ones."""

    name: str
    source: Text
    zones: Annotated[tuple[Zone, ...], Meta(max_length=64)] = ()


class Device(Struct, frozen=True, forbid_unknown_fields=True):
    """One device; by `serial` (of the module) or `mac` it finds its own seed among others.

    `tpm` is what `mirage edge tpm` says on it: the SHA-256 of its endorsement key. It then takes no claim.
    """

    id: str
    site: str
    board: Kind
    cameras: Annotated[tuple[Camera, ...], Meta(min_length=1, max_length=64)]
    jetpack: Literal[6, 7] | None = None
    carrier: Annotated[str, Meta(pattern=r"\A[a-z0-9.+-]{1,64}\Z")] | None = None
    storage: Literal["nvme", "internal"] = "nvme"
    serial: Serial | None = None
    mac: Mac | None = None
    tpm: Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")] | None = None
    wave: str | None = None
    network: Network = Network()
    sender: dict[str, object] = {}
    uplink: dict[str, object] = {}

    def __post_init__(self) -> None:
        try:
            self._check()
        except (TopicError, ValueError) as error:
            raise ValueError(f"device {self.id!r}: {error}") from error

    @property
    def kind(self) -> Board:
        return BOARDS[self.board]

    @property
    def platform(self) -> Platform:
        """Say which release runs here."""
        if self.jetpack is not None:
            return "jetpack6" if self.jetpack == 6 else "jetpack7"
        return self.kind.arch

    @property
    def seed_name(self) -> str:
        """Name the folder of its seed, by which the device knows its own; `any` fits every device."""
        return self.serial or (self.mac or "any").replace(":", "-")

    @property
    def board_config(self) -> str:
        """Name the configuration for NVIDIA's flashing tool."""
        return self.carrier or self.kind.config

    def _check(self) -> None:
        topics.check_name("device.id", self.id)
        names = [topics.check_name("camera", topics.check_camera(camera.name)) for camera in self.cameras]
        if len(set(names)) != len(names):
            raise ValueError(f"camera names {names} are not all different")
        if self.kind.is_jetson != (self.jetpack is not None):
            says = "needs jetpack = 6 or 7" if self.kind.is_jetson else "is no Jetson and has no jetpack"
            raise ValueError(f"{self.board} {says}")
        if self.carrier is not None and not self.kind.is_jetson:
            raise ValueError("only a Jetson has a carrier")
