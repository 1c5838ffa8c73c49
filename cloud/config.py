"""The cloud's settings, from one TOML file. Unknown keys are errors that name the key.

    [broker]   host, port = 1883 (8883 with ca), group = "", client = "mirage-cloud",
               envelope = "sealed" (or "none"), ack_interval_s = 5.0;
               ca = "ca.pem", certificate = "cloud.pem", key = "cloud-tls.key"
    [security] key = "cloud.key" (or "credential:NAME"), old_keys = []
    [limits]   device_packets_per_s = 100, device_burst = 2000, device_bytes_per_s, device_burst_bytes
    [store]    url = "sqlite:///store.db", objects = "objects"
    [bundle]   paths = ["models/tiny"]
    [serve]    host = "127.0.0.1", port = 8080
    [render]   policy = "on-demand" (or "all"), threads = 1, long_side_px = 256, style_prompt = "",
               negative_prompt = "", anchors = ["yard.jpg"]; steps, fps, frames, guidance: the bundle's;
               engine = "local" (or "ray"), workers = 1
    [ray]      address = "auto" (or "local"), most_workers = 8, gpus_each = 0, cpus_each = 1

Paths are relative to the file's folder, that of an SQLite url too.
"""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

from cloud.render.anchors import AnchorError, Anchors, read_anchors
from wire import topics
from wire.packet import MAX_FRAME
from wire.policy import Policy, PolicyError
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


class Serve(Struct, frozen=True, forbid_unknown_fields=True):
    """Where API and page listen. There is no login: bind to what may see the pictures."""

    host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    port: Port = 8080


class Render(Struct, frozen=True, forbid_unknown_fields=True):
    """How clips are made, and whether all are or only those that someone looks at.

    What `wire.policy.Policy` says of each; what is None is left to the bundle. `anchors` are picture files.
    `workers` render at the same time, each with a renderer of its own and `threads`: in this process, or as
    many at least on a Ray cluster.
    """

    long_side_px: int = 256
    steps: int | None = None
    fps: float | None = None
    frames: int | None = None
    guidance: float | None = None
    style_prompt: str = ""
    negative_prompt: str = ""
    anchors: tuple[str, ...] = ()
    policy: Literal["all", "on-demand"] = "on-demand"
    threads: Annotated[int, Meta(ge=1, le=256)] = 1
    engine: Literal["local", "ray"] = "local"
    workers: Annotated[int, Meta(ge=1, le=256)] = 1

    def constraints(self, anchors: Anchors) -> Policy:
        """Give what the receiver asks of each clip; `anchors` are those read from the files."""
        return Policy(
            self.long_side_px, self.steps, self.fps, self.frames, self.guidance,
            self.style_prompt, self.negative_prompt, anchors.sha256s,
        )  # fmt: skip


class Ray(Struct, frozen=True, forbid_unknown_fields=True):
    """The cluster that renders, and what each renderer takes of a node: parts of a GPU are allowed.

    The more jobs wait, the more renderers there are, up to `most_workers`.
    """

    address: Annotated[str, Meta(min_length=1)] = "auto"
    most_workers: Annotated[int, Meta(ge=1, le=4096)] = 8
    gpus_each: Annotated[float, Meta(ge=0, le=64)] = 0
    cpus_each: Annotated[float, Meta(ge=0, le=256)] = 1


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file. Valid by construction."""

    broker: Broker
    bundle: BundlePaths
    store: StorePlace = StorePlace()
    security: Security = Security()
    limits: Limits = Limits()
    serve: Serve = Serve()
    render: Render = Render()
    ray: Ray = Ray()

    def __post_init__(self) -> None:
        try:
            if self.broker.group:
                topics.check_id("broker.group", self.broker.group)
            topics.check_id("broker.client", self.broker.client)
            self.render.constraints(Anchors())
        except (TopicError, PolicyError) as error:
            raise ValueError(str(error)) from error

    def read_anchors(self) -> Anchors:
        """Read the pictures that `render.anchors` names, or raise ConfigError."""
        try:
            return read_anchors(Path(name) for name in self.render.anchors)
        except AnchorError as error:
            raise ConfigError(f"render.anchors: {error}") from error


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
    render = replace(config.render, anchors=tuple(str(folder / name) for name in config.render.anchors))
    return replace(
        config,
        broker=_broker_below(config.broker, folder),
        security=_security_below(config.security, folder),
        store=store,
        bundle=bundle,
        render=render,
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
