"""The agent's settings, from one TOML file. Unknown keys are errors that name the key.

    [device]   tenant, site, id, key = "device.key", certificate = "device.pem"
    [broker]   host, port = 1883, ca (TLS, with the device's certificate, where it is given),
               cloud_key = "cloud.pub", envelope = "sealed" (or "none": in a lab), keepalive_s = 120
    [network]  bytes_per_s (no limit), burst_bytes = 16384, bytes_per_month (no limit)
    [bundle]   path, engine_cache (TensorRT engines are kept there, or else in the bundle's folder engines, if
               there is one; without either, TensorRT is not used)
    [spool]    path, max_bytes = 64 MiB, max_age_s = 604800 (a week of running)
    [encode]   planes (bundle's default; twice as many where a scene begins), vector = true (the embedding is
               sent where the bundle has one), segment_ms = 2000, still_bytes = 116, threads = 1,
               beams = 1 (sentences that the captioner follows at once)
    [[camera]] name, source

Paths are relative to the file's folder. `device.key` may be credential:NAME, see edge/keys.py.
"""

import os
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct, structs

from edge.camera import is_live
from edge.composer import STILL_BYTES
from edge.engine import BESIDE
from edge.link import KEEPALIVE_S
from edge.pipeline import Settings
from edge.spool import DEFAULT_MAX_AGE_S, DEFAULT_MAX_BYTES
from wire import topics
from wire.toml import TomlError, parse_as
from wire.topics import DeviceTopics, TopicError

BURST_BYTES = 16384
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


class Network(Struct, frozen=True, forbid_unknown_fields=True):
    """What the uplink may send: see docs/bandwidth.md. Segments say less, and wait, rather than exceed it.

    Counted is what MQTT sends: payload, topic and header, without TLS and TCP.
    """

    bytes_per_s: Annotated[float, Meta(gt=0)] | None = None
    burst_bytes: Annotated[int, Meta(ge=1024)] = BURST_BYTES
    bytes_per_month: Annotated[int, Meta(ge=1)] | None = None


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


class CameraSource(Struct, frozen=True, forbid_unknown_fields=True):
    """One camera: `name` goes into its topic, `source` is what edge/camera.py takes."""

    name: str
    source: Annotated[str, Meta(min_length=1)]


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

    def __post_init__(self) -> None:
        names = [camera.name for camera in self.camera]
        try:
            topics_of(self.device)
            for name in names:
                topics.check_camera(name)
        except TopicError as error:
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
        )


def topics_of(device: Device) -> DeviceTopics:
    """Name a device's topics; raises TopicError for an id that is none."""
    return DeviceTopics(device.tenant, device.site, device.id)


def load(path: Path) -> Config:
    """Read a file, or raise ConfigError."""
    try:
        config = parse_as(path.read_bytes(), Config, str(path))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error
    except TomlError as error:
        raise ConfigError(str(error)) from error
    return _anchored(config, path.resolve().parent)


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
        camera=tuple(
            CameraSource(camera.name, inside(camera.source)) if _is_path(camera.source) else camera
            for camera in config.camera
        ),
    )


def _is_path(source: str) -> bool:
    return not is_live(source) and "://" not in source
