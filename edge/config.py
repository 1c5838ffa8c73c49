"""The agent's settings, from one TOML file. Unknown keys are errors that name the key.

    [device]   tenant, site, id, key = "device.key", certificate = "device.pem"
    [broker]   host, port = 1883, ca (TLS, with the device's certificate, where it is given),
               cloud_key = "cloud.pub", envelope = "sealed" (or "none": in a lab), keepalive_s = 120
    [network]  bytes_per_s (no limit), burst_bytes = 16384, bytes_per_month (no limit), latency_ms (segments
               are no longer), layers, planes (no more goes over this link), send_hours, send_timezone,
               qos = 1, count = "mqtt" (or "wire": TCP/IP and TLS, too)
    [[network.link]]  name, match (interfaces, as "wwan*"), price_per_mb = "0.40 EUR", and of [network] what
               differs; the first that matches holds while the way to the broker is by that interface
    [bundle]   path, engine_cache (TensorRT engines are kept there, or else in the bundle's folder engines, if
               there is one; without either, TensorRT is not used)
    [spool]    path, max_bytes = 64 MiB, max_age_s = 604800 (a week of running)
    [update]   settings (of root's updater, edge/update/settings.py; without it, the cloud orders no release)
    [encode]   planes (bundle's default; twice as many where a scene begins), vector = true (the embedding is
               sent where the bundle has one), segment_ms = 2000, still_bytes = 116, threads = 1,
               beams = 1 (sentences that the captioner follows at once)
    [metrics]  host = "127.0.0.1", port (Prometheus reads /metrics there; without it, nobody)
    [meter]    enabled = false, share = 0.02 (of a core), preset = "veryfast", h264_crf = 23, h265_crf = 28
               (now and then a camera is encoded as video, to know what that would have taken; wants PyAV)
    [sender]   what leaves the device at all, and [sender.receiver], what binds whoever receives it: see
               wire/policy/tables.py and docs/constraints.md; preset = "private" (balanced, faithful)
    [[camera]] name, source, zones (never seen, or the only ones seen: see wire/policy/zones.py)

Paths are relative to the file's folder. `device.key` may be credential:NAME, see edge/keys.py.
"""

import os
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct, structs

from edge.address import KEEPALIVE_S
from edge.camera import is_live
from edge.composer import STILL_BYTES
from edge.engine import BESIDE
from edge.pipeline import Settings
from edge.spool import DEFAULT_MAX_AGE_S, DEFAULT_MAX_BYTES
from wire import topics
from wire.policy import Network, PolicyError, Receiver, Sender, effective
from wire.policy.reading import with_preset
from wire.policy.tables import check_keys
from wire.policy.zones import Zone
from wire.toml import TomlError, fitted, parse
from wire.topics import DeviceTopics, TopicError

CREDENTIAL = "credential:"

Port = Annotated[int, Meta(ge=1, le=65535)]
Planes = Annotated[int, Meta(ge=0, le=255)]
StillBytes = Annotated[int, Meta(ge=0, le=65535)]
File = Annotated[str, Meta(min_length=1)]


class ConfigError(ValueError):
    """The settings cannot be used; the message names the file and the key."""


class Device(Struct, frozen=True, forbid_unknown_fields=True):
    """Who this is, and what proves it."""

    tenant: str
    site: str
    id: str
    key: File = "device.key"
    certificate: File = "device.pem"


class Broker(Struct, frozen=True, forbid_unknown_fields=True):
    """Where packets go. With `ca`, by TLS; sealed for whoever has the private half of `cloud_key`.

    A ping of 2 bytes goes out every `keepalive_s` in which nothing else does.
    """

    host: Annotated[str, Meta(min_length=1)]
    port: Port = 1883
    ca: File | None = None
    cloud_key: File = "cloud.pub"
    envelope: Literal["sealed", "none"] = "sealed"
    keepalive_s: Annotated[int, Meta(ge=5, le=65535)] = KEEPALIVE_S


class BundlePath(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the model lies."""

    path: str
    engine_cache: str | None = None

    def engines(self) -> Path | None:
        """Where its engines are kept: as said, or else where `mirage export engine` puts them, if it did."""
        if self.engine_cache:
            return Path(self.engine_cache)
        beside = Path(self.path, BESIDE)
        return beside if os.path.isdir(beside) else None  # noqa: PTH112 (Path.is_dir raises where it may not look)


class SpoolPath(Struct, frozen=True, forbid_unknown_fields=True):
    """Where packets wait for the network, how many bytes of them, and for how long."""

    path: str
    max_bytes: Annotated[int, Meta(ge=65536)] = DEFAULT_MAX_BYTES
    max_age_s: Annotated[float, Meta(ge=60)] = DEFAULT_MAX_AGE_S


class UpdatePath(Struct, frozen=True, forbid_unknown_fields=True):
    """Which settings root's updater has, if there is one."""

    settings: File | None = None


class CameraSource(Struct, frozen=True, forbid_unknown_fields=True):
    """One camera: `name` goes into its topic, `source` is what edge/camera.py takes.

    `zones` are parts of its picture that are never seen, or the only ones, beside those of [sender].
    """

    name: str
    source: Annotated[str, Meta(min_length=1)]
    zones: Annotated[tuple[Zone, ...], Meta(max_length=64)] = ()


class Metrics(Struct, frozen=True, forbid_unknown_fields=True):
    """Where Prometheus reads /metrics, by HTTP and without a login: bind to what may know it."""

    host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    port: Port | None = None


class MeterSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How video is encoded for comparison, and with how much of the processor."""

    enabled: bool = False
    share: Annotated[float, Meta(gt=0, le=0.02)] = 0.02
    preset: Literal[
        "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"
    ] = "veryfast"
    h264_crf: Annotated[int, Meta(ge=0, le=51)] = 23
    h265_crf: Annotated[int, Meta(ge=0, le=51)] = 28


class Encode(Struct, frozen=True, forbid_unknown_fields=True):
    """How segments are encoded; `planes` of the appearance tokens are sent, and the embedding if `vector`.

    The packets of a scene at rest take `still_bytes` between two refreshes, which are a minute apart at most.
    """

    planes: Planes | None = None
    vector: bool = True
    segment_ms: Annotated[int, Meta(ge=500, le=30_000)] = 2000
    still_bytes: StillBytes = STILL_BYTES
    threads: Annotated[int, Meta(ge=1, le=64)] = 1
    beams: Annotated[int, Meta(ge=1, le=16)] = 1


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file. Valid by construction: ids are checked, camera names differ."""

    device: Device
    broker: Broker
    bundle: BundlePath
    spool: SpoolPath
    camera: Annotated[tuple[CameraSource, ...], Meta(min_length=1, max_length=64)]
    encode: Encode = Encode()
    network: Network = Network()
    sender: Sender = Sender()
    metrics: Metrics = Metrics()
    update: UpdatePath = UpdatePath()
    meter: MeterSettings = MeterSettings()

    def __post_init__(self) -> None:
        names = [camera.name for camera in self.camera]
        try:
            topics.check_names(topics_of(self.device), names)
            for link in ("", *(each.name for each in self.network.link)):
                effective(self.sender, self.network.on(link), Receiver())
        except (TopicError, PolicyError) as error:
            raise ConfigError(str(error)) from error
        if len(set(names)) != len(names):
            raise ConfigError(f"camera names {names} are not all different")

    def settings(self) -> Settings:
        """Pick what the pipeline needs to know."""
        return Settings(
            planes=self.encode.planes,
            vector=self.encode.vector,
            segment_ms=self.encode.segment_ms,
            still_bytes=self.encode.still_bytes,
            threads=self.encode.threads,
            beams=self.encode.beams,
            engine_cache=self.bundle.engines(),
            sender=self.sender,
            network=self.network,
        )


def topics_of(device: Device) -> DeviceTopics:
    """Name a device's topics; raises TopicError for an id that is none."""
    return DeviceTopics(device.tenant, device.site, device.id)


def load(path: Path) -> Config:
    """Read a file, or raise ConfigError."""
    try:
        config = _parsed(path.read_bytes(), str(path))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error
    except (TomlError, PolicyError) as error:
        raise ConfigError(str(error)) from error
    return _anchored(config, path.resolve().parent)


def _parsed(data: bytes, source: str) -> Config:
    """Read the file's text; what the preset of [sender] says is spelled out first."""
    document = parse(data, source)
    if "sender" in document:
        check_keys(document["sender"], Sender, "sender", source)
        document["sender"] = with_preset(document["sender"])
    return fitted(document, Config, source)


def _anchored(config: Config, folder: Path) -> Config:
    def inside(name: str) -> str:
        return str(folder / name)

    cache, device, broker = config.bundle.engine_cache, config.device, config.broker
    key = device.key if device.key.startswith(CREDENTIAL) else inside(device.key)
    return structs.replace(
        config,
        device=structs.replace(device, key=key, certificate=inside(device.certificate)),
        broker=structs.replace(
            broker, ca=inside(broker.ca) if broker.ca else None, cloud_key=inside(broker.cloud_key)
        ),
        bundle=BundlePath(inside(config.bundle.path), inside(cache) if cache else None),
        spool=SpoolPath(inside(config.spool.path), config.spool.max_bytes, config.spool.max_age_s),
        update=UpdatePath(inside(config.update.settings) if config.update.settings else None),
        camera=tuple(
            structs.replace(camera, source=inside(camera.source)) if _is_path(camera.source) else camera
            for camera in config.camera
        ),
    )


def _is_path(source: str) -> bool:
    return not is_live(source) and "://" not in source
