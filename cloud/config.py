"""The cloud's settings, from one TOML file. Unknown keys are errors that name the key.

    [broker]   host, port = 1883 (8883 with ca), group = "", client = "mirage-cloud",
               envelope = "sealed" (or "none"), ack_interval_s = 5.0;
               ca = "ca.pem", certificate = "cloud.pem", key = "cloud-tls.key"
    [security] key = "cloud.key" (or "credential:NAME"), old_keys = []
    [limits]   device_packets_per_s = 100, device_burst = 2000, device_bytes_per_s, device_burst_bytes
    [store]    url = "sqlite:///store.db", objects = "objects"
    [bundle]   paths = ["models/tiny"]
    [serve]    host = "127.0.0.1", port = 8080, access = "open" (on the loopback only) or "token",
               session_hours = 12, trusted_proxies = [], cors_origins = []
    [serve.rates] requests_per_s = 50, burst = 500, renders_per_minute = 240,
               address_requests_per_s = 200, address_burst = 2000, failures_per_minute = 10
    [render]   policy = "on-demand" (or "all"), threads = 1, long_side_px = 256, style_prompt = "",
               negative_prompt = "", anchors = ["yard.jpg"], people_anchors = ["guard.jpg"]; steps, fps,
               frames, guidance: the bundle's; all of it as far as senders allow (docs/constraints.md);
               engine = "local" (or "ray"), workers = 1
    [receiver] and its tables by role and camera, as cloud/config_receiver.py says: go before [render]
    [ray]      address = "auto" (or "local"), most_workers = 8, gpus_each = 0, cpus_each = 1
    [events], [alerts]                                   as cloud/config_events.py says
    [webhooks] secrets = [] (unsigned without any), and receivers, as cloud/config_webhooks.py says
    [retention] packets_days, packets_bytes_per_camera, clips_days, clips_bytes_per_camera: without them
               all is kept; quarantine_days, quarantine_bytes = 67108864
    [usage]    keep_minutes_h = 48, keep_hours_days = 90, keep_days = 1096, timezone = "UTC", billing_day = 1,
               price_per_mb (unknown without it), currency = "EUR", compare = "h265" (or "h264"),
               webhook = ""
    [enrolment] ca, key (or "credential:NAME"), broker_host, broker_port = 8883, cloud_key = "cloud.pub",
               host = "127.0.0.1", port = 8444, certificate, certificate_key, certificate_days = 90,
               grace_days = 180, revoked, crl_days = 30, requests_per_minute = 60, releases, downloads = 256,
               downloads_per_address = 32, download_bytes_per_s = 32
    [provenance] key (unsigned without it), c2pa_certificate, c2pa_key, confidence = true
    [metrics]  port (off without it), host = "127.0.0.1", per_device = false, most_devices = 1000

Paths are relative to the file's folder, that of an SQLite url too.
"""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct, field
from msgspec.structs import replace

from cloud.config_enrolment import EnrolmentSettings
from cloud.config_events import Alerts, Events
from cloud.config_provenance import Provenance
from cloud.config_receiver import ReceiverTables
from cloud.config_render import Render
from cloud.config_serve import Serve
from cloud.config_usage import Metrics, UsageSettings
from cloud.config_webhooks import WebhookSettings
from cloud.render.anchors import Anchors
from wire import topics
from wire.packet import MAX_FRAME
from wire.policy import PolicyError, Receiver
from wire.policy.tables import Role
from wire.toml import TomlError, parse_as
from wire.topics import TopicError

Port = Annotated[int, Meta(ge=1, le=65535)]
CREDENTIAL = "credential:"
_SQLITE = "sqlite:///"


class ConfigError(ValueError):
    """The settings cannot be used; the message names the file and the key."""


class Broker(Struct, frozen=True, forbid_unknown_fields=True):
    """Where packets come from.

    Several clouds may share the work as one `group`, whose name is a secret (deploy/broker/README.md);
    without one, each gets everything. Each of them needs its own `client`, under which the broker keeps what
    came while it was away. With `ca`, the broker must have a certificate of that authority for `host`;
    `certificate` and `key` are ours for it. With envelope "none" the broker is trusted: everyone who may
    publish is believed, and whoever may subscribe reads along.
    """

    host: Annotated[str, Meta(min_length=1)]
    port: Port | None = None
    group: str = ""
    client: str = "mirage-cloud"
    envelope: Literal["sealed", "none"] = "sealed"
    ack_interval_s: Annotated[float, Meta(ge=0, le=3600)] = 5.0
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("broker.certificate and broker.key go together")
        if self.certificate is not None and self.ca is None:
            raise ValueError("broker.certificate needs broker.ca")

    @property
    def address(self) -> tuple[str, int]:
        """Host and port; the port is the usual one unless it is given."""
        return self.host, self.port or (1883 if self.ca is None else 8883)


class Security(Struct, frozen=True, forbid_unknown_fields=True):
    """The private keys (X25519, PEM) that open births: files, or credentials of the service manager.

    Births are wrapped for `key`; `old_keys` open those of devices that have the public half of an older one.
    """

    key: str = "cloud.key"
    old_keys: tuple[str, ...] = ()


class Limits(Struct, frozen=True, forbid_unknown_fields=True):
    """What one device may send: over time, and at once after a pause. What is beyond comes again later."""

    device_packets_per_s: Annotated[float, Meta(gt=0)] = 100.0
    device_burst: Annotated[int, Meta(ge=1)] = 2000
    device_bytes_per_s: Annotated[float, Meta(gt=0)] = 262_144.0
    device_burst_bytes: Annotated[int, Meta(ge=MAX_FRAME)] = 4_194_304


class StorePlace(Struct, frozen=True, forbid_unknown_fields=True):
    """Where packets and clips are kept: a database, and a folder or an object store's URL."""

    url: str = "sqlite:///store.db"
    objects: str = "objects"


class BundlePaths(Struct, frozen=True, forbid_unknown_fields=True):
    """The bundles that devices may use."""

    paths: Annotated[tuple[str, ...], Meta(min_length=1)]


class Ray(Struct, frozen=True, forbid_unknown_fields=True):
    """The cluster that renders, and what each renderer takes of a node: parts of a GPU are allowed.

    The more jobs wait, the more renderers there are, up to `most_workers`.
    """

    address: Annotated[str, Meta(min_length=1)] = "auto"
    most_workers: Annotated[int, Meta(ge=1, le=4096)] = 8
    gpus_each: Annotated[float, Meta(ge=0, le=64)] = 0
    cpus_each: Annotated[float, Meta(ge=0, le=256)] = 1


Days = Annotated[float, Meta(gt=0, le=36_500)]
Bytes = Annotated[int, Meta(ge=0, lt=2**53)]


class Retention(Struct, frozen=True, forbid_unknown_fields=True):
    """For how long what is kept, and how much of it; without a limit, for ever (docs/retention.md).

    Days count from when the cloud stored a packet, or made a clip. A camera's packets count with their
    envelopes, its clips as films.
    """

    packets_days: Days | None = None
    packets_bytes_per_camera: Bytes | None = None
    clips_days: Days | None = None
    clips_bytes_per_camera: Bytes | None = None
    quarantine_days: Days | None = None
    quarantine_bytes: Bytes = 64 * 2**20

    @property
    def removes(self) -> bool:
        """Tell whether packets or clips go at all."""
        limits = (
            self.packets_days,
            self.packets_bytes_per_camera,
            self.clips_days,
            self.clips_bytes_per_camera,
        )
        return any(limit is not None for limit in limits)


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file. Valid by construction."""

    broker: Broker
    bundle: BundlePaths
    store: StorePlace = StorePlace()
    security: Security = Security()
    limits: Limits = Limits()
    serve: Serve = Serve()
    render: Render = Render()
    wishes: ReceiverTables = field(default=ReceiverTables(), name="receiver")
    ray: Ray = Ray()
    events: Events = Events()
    alerts: Alerts = Alerts()
    webhooks: WebhookSettings = WebhookSettings()
    retention: Retention = Retention()
    usage: UsageSettings = UsageSettings()
    metrics: Metrics = Metrics()
    provenance: Provenance = Provenance()
    enrolment: EnrolmentSettings | None = None

    def __post_init__(self) -> None:
        try:
            if self.broker.group:
                topics.check_id("broker.group", self.broker.group)
            topics.check_id("broker.client", self.broker.client)
            self.render.constraints(Anchors())
        except (TopicError, PolicyError) as error:
            raise ValueError(str(error)) from error

    @property
    def receiver(self) -> Receiver:
        """Give what this cloud asks for whatever the camera, for viewers, as the third of three tables."""
        return self.receiver_for("viewer")

    def receiver_for(self, role: Role, camera: str | None = None) -> Receiver:
        """Give what is asked for a role, and of a camera (tenant/site/device/camera); pictures by file."""
        return self.wishes.asked(self.render.receiver(self.retention.packets_days), role, camera)


def load(path: Path) -> Config:
    """Read a settings file, or raise ConfigError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    return parse(data, path)


def parse(data: bytes, path: Path) -> Config:
    """Read the content of the settings file `path`, or raise ConfigError."""
    try:
        config = parse_as(data, Config, str(path))
    except TomlError as error:
        raise ConfigError(str(error)) from error
    return _with_paths_below(config, path.parent)


def _with_paths_below(config: Config, folder: Path) -> Config:
    url, objects = config.store.url, config.store.objects
    if url.startswith(_SQLITE):
        url = _SQLITE + str(folder / url.removeprefix(_SQLITE))
    if "://" not in objects:
        objects = str(folder / objects)
    store = replace(config.store, url=url, objects=objects)
    bundle = replace(config.bundle, paths=tuple(str(folder / path) for path in config.bundle.paths))
    render = replace(
        config.render,
        anchors=tuple(str(folder / name) for name in config.render.anchors),
        people_anchors=tuple(str(folder / name) for name in config.render.people_anchors),
    )
    return replace(
        config,
        broker=_broker_below(config.broker, folder),
        security=_security_below(config.security, folder),
        enrolment=_enrolment_below(config.enrolment, folder),
        provenance=config.provenance.below(folder),
        webhooks=config.webhooks.below(folder),
        store=store,
        bundle=bundle,
        render=render,
        wishes=config.wishes.below(folder),
    )


def _broker_below(broker: Broker, folder: Path) -> Broker:
    ca, certificate, key = (
        None if name is None else str(folder / name) for name in (broker.ca, broker.certificate, broker.key)
    )
    return replace(broker, ca=ca, certificate=certificate, key=key)


def _security_below(security: Security, folder: Path) -> Security:
    key, *old_keys = (
        name if name.startswith(CREDENTIAL) else str(folder / name)
        for name in (security.key, *security.old_keys)
    )
    return Security(key, tuple(old_keys))


def _enrolment_below(settings: EnrolmentSettings | None, folder: Path) -> EnrolmentSettings | None:
    if settings is None:
        return None
    certificate, certificate_key, revoked, releases = (
        None if name is None else str(folder / name)
        for name in (settings.certificate, settings.certificate_key, settings.revoked, settings.releases)
    )
    return replace(
        settings,
        ca=str(folder / settings.ca),
        key=settings.key if settings.key.startswith(CREDENTIAL) else str(folder / settings.key),
        cloud_key=str(folder / settings.cloud_key),
        certificate=certificate,
        certificate_key=certificate_key,
        revoked=revoked,
        releases=releases,
    )
