"""The fleet file: everything that one needs to know to bring devices up. Unknown keys are errors.

    [fleet]    name, tenant
    [release]  version, key = "FILE.pub", archives = {PLATFORM = "FILE.tar"}, images = {PLATFORM = "FILE.img"}
               PLATFORM is jetpack6, jetpack7, arm64 or amd64; key (Ed25519, public) says who signs archives
    [bundle]   path, archive = "FILE.tar" (the same, signed)
    [broker]   host, port = 8883, ca
    [cloud]    key (X25519, public), enrolment = "https://...", claims = "claims" (DEVICE.claim, mode 0600)
    [update]   url, waves = ["all"], health_minutes = 10, halt_after_failures = 1, bytes_per_s, byte_budget
    [access]   user, ssh_keys: who may log in, by key; nobody without
    [system]   ntp = [HOST, ...], journal_megabytes = 200
    [jetson]   bsp = {jetpack6 = "DIR/Linux_for_Tegra"}, power_mode
    [sender], [uplink]  what devices may send: mirage/deploy/constraints.py
    [[site]]   id, bytes_per_s, burst_bytes: of each device's uplink; sender, uplink
    [[device]] id, site, board, jetpack, carrier, storage = "nvme", serial, mac, tpm, wave, network, cameras
               (with zones), sender, uplink

Paths are relative to the file's folder.
"""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from msgspec import Meta, Struct

from mirage.deploy.device import Device, Platform, Text
from wire import topics
from wire.policy import PolicyError
from wire.toml import TomlError, parse_as
from wire.topics import TopicError

Host = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9.:-]{1,253}\Z")]
Port = Annotated[int, Meta(ge=1, le=65535)]
Rate = Annotated[float, Meta(gt=0)]

_USER = re.compile(r"[a-z][a-z0-9-]{0,31}")
_KEY = re.compile(r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp\d+|sk-\S+) [A-Za-z0-9+/=]+( [^\x00-\x1f\x7f]*)?")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,63}")


class FleetError(ValueError):
    """The fleet file cannot be used; the message names file and key."""


class Naming(Struct, frozen=True, forbid_unknown_fields=True):
    """What the fleet is called, and whose it is."""

    name: str
    tenant: str


class Release(Struct, frozen=True, forbid_unknown_fields=True):
    """What runs on devices: an archive for those with an operating system, else a whole disk image.

    `key` is the public half of what archives, and all later releases, are signed with.
    """

    version: str
    key: Text | None = None
    archives: dict[Platform, Text] = {}
    images: dict[Platform, Text] = {}


class BundlePath(Struct, frozen=True, forbid_unknown_fields=True):
    """The model; its archive is signed, as `mirage deploy release --bundle` makes it."""

    path: Text
    archive: Text | None = None


class Broker(Struct, frozen=True, forbid_unknown_fields=True):
    """Where devices send packets, always by TLS."""

    host: Host
    ca: Text
    port: Port = 8883


class Cloud(Struct, frozen=True, forbid_unknown_fields=True):
    """For whom packets are sealed, and where a claim is exchanged for a certificate."""

    key: Text
    enrolment: Text
    claims: Text = "claims"


class Update(Struct, frozen=True, forbid_unknown_fields=True):
    """How later releases roll out: wave after wave, and not beyond so many failures."""

    url: Text | None = None
    waves: Annotated[tuple[str, ...], Meta(min_length=1, max_length=16)] = ("all",)
    health_minutes: Annotated[float, Meta(gt=0, le=1440)] = 10
    halt_after_failures: Annotated[int, Meta(ge=1)] = 1
    bytes_per_s: Rate | None = None
    byte_budget: Annotated[int, Meta(ge=1)] | None = None


class Access(Struct, frozen=True, forbid_unknown_fields=True):
    """Who may log in: one user with these keys. There are no passwords."""

    user: str = "mirage-admin"
    ssh_keys: tuple[str, ...] = ()


class System(Struct, frozen=True, forbid_unknown_fields=True):
    """Clock and log."""

    ntp: tuple[Host, ...] = ()
    journal_megabytes: Annotated[int, Meta(ge=16, le=65536)] = 200


class Jetson(Struct, frozen=True, forbid_unknown_fields=True):
    """Where NVIDIA's Linux_for_Tegra lies, and the power mode (of nvpmodel) that devices run in."""

    bsp: dict[Literal["jetpack6", "jetpack7"], Text] = {}
    power_mode: Annotated[int, Meta(ge=0, le=15)] | None = None


class Site(Struct, frozen=True, forbid_unknown_fields=True):
    """A place, and what the uplink of each of its devices may send."""

    id: str
    bytes_per_s: Rate | None = None
    burst_bytes: Annotated[int, Meta(ge=1024)] | None = None
    sender: dict[str, object] = {}
    uplink: dict[str, object] = {}


class Fleet(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file. Valid by construction: ids, references and duplicates are checked, files are not."""

    fleet: Naming
    release: Release
    bundle: BundlePath
    broker: Broker
    cloud: Cloud
    site: Annotated[tuple[Site, ...], Meta(min_length=1)]
    device: Annotated[tuple[Device, ...], Meta(min_length=1, max_length=10_000)]
    update: Update = Update()
    access: Access = Access()
    system: System = System()
    jetson: Jetson = Jetson()
    sender: dict[str, object] = {}
    uplink: dict[str, object] = {}

    def __post_init__(self) -> None:
        _check_names(self)
        _check_text(self)
        for device in self.device:
            _check_references(self, device)
        _check_different("site.id", (site.id for site in self.site))
        for what in ("id", "serial", "mac", "tpm"):
            _check_different(f"device.{what}", (getattr(device, what) for device in self.device))

    def find(self, name: str) -> Device:
        """Give the device of this id, or raise FleetError."""
        for device in self.device:
            if device.id == name:
                return device
        raise FleetError(f"no device {name!r} in the fleet {self.fleet.name}")

    def site_of(self, device: Device) -> Site:
        return next(site for site in self.site if site.id == device.site)

    @property
    def takes_updates(self) -> bool:
        """Whether devices fetch later releases themselves: from somewhere, signed by somebody."""
        return self.update.url is not None and self.release.key is not None

    def wave_of(self, device: Device) -> str:
        return device.wave or self.update.waves[-1]


def load(path: Path) -> Fleet:
    """Read a fleet file, or raise FleetError."""
    from mirage.deploy import constraints  # it reads fleets

    try:
        fleet = parse_as(path.read_bytes(), Fleet, str(path))
        constraints.check(fleet, str(path))
    except OSError as error:
        raise FleetError(f"{path}: {error.strerror or error}") from error
    except (TomlError, PolicyError) as error:
        raise FleetError(str(error)) from error
    return fleet


def _check_names(fleet: Fleet) -> None:
    try:
        topics.check_name("fleet.name", fleet.fleet.name)
        topics.check_name("fleet.tenant", fleet.fleet.tenant)
        for site in fleet.site:
            topics.check_name("site.id", site.id)
        for wave in fleet.update.waves:
            topics.check_id("update.waves", wave)
    except TopicError as error:
        raise ValueError(str(error)) from error
    _check_different("update.waves", fleet.update.waves)


def _check_text(fleet: Fleet) -> None:
    if not _VERSION.fullmatch(fleet.release.version):
        raise ValueError(
            f"release.version {fleet.release.version!r} is not letters, digits, '.', '+' and '-'"
        )
    if not _USER.fullmatch(fleet.access.user):
        raise ValueError(f"access.user {fleet.access.user!r} is no user name")
    for key in fleet.access.ssh_keys:
        if not _KEY.fullmatch(key):
            raise ValueError(f"access.ssh_keys: {key[:40]!r} is no public key of OpenSSH")
    for name, url in (("cloud.enrolment", fleet.cloud.enrolment), ("update.url", fleet.update.url)):
        if url is not None and (urlsplit(url).scheme != "https" or not urlsplit(url).hostname):
            raise ValueError(f"{name} {url!r} is no https address")


def _check_references(fleet: Fleet, device: Device) -> None:
    if device.site not in {site.id for site in fleet.site}:
        raise ValueError(f"device {device.id}: there is no site {device.site!r}")
    if fleet.wave_of(device) not in fleet.update.waves:
        raise ValueError(f"device {device.id}: there is no wave {device.wave!r} in update.waves")


def _check_different(what: str, values: Iterable[str | None]) -> None:
    counted = Counter(value for value in values if value is not None)
    twice = sorted(value for value, count in counted.items() if count > 1)
    if twice:
        raise ValueError(f"{what} {', '.join(map(repr, twice))} is there twice")
