"""What an agent sends with, keeps count with and compares with, as its settings say.

Config --> Security, Budget, Ledger, Uplink, Meter, /metrics
"""

import contextlib
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from edge import transport, video
from edge.address import Address
from edge.allowance import BudgetError, Standing
from edge.budget import Budget, Terms
from edge.composer import Choose, Composer
from edge.config import Config, ConfigError, topics_of
from edge.counterfactual import Quality
from edge.inbox import Inbox
from edge.kept import Keeper, Kept, inherited
from edge.keys import Keys, load_keys, load_tls
from edge.ledger import Ledger
from edge.links import Links
from edge.menu import Menu, Plan
from edge.message import PING_BYTES
from edge.meter import Meter
from edge.pipeline import Pipeline
from edge.privacy.guard import Guard
from edge.privacy.schedule import Schedule
from edge.runtime import Runtime
from edge.sensors import Sensors
from edge.session import PlainSession, SealedSession, Session
from edge.spool import Spool
from edge.times import EncodeTimes
from edge.tls import Tls
from edge.uplink import Parts, Uplink
from edge.upshot import limits_on
from edge.video import VideoError
from wire import documents
from wire.bundle import Bundle
from wire.documents import Birth
from wire.policy import Network
from wire.spent import Codec

_CONNECTION_BYTES = 1024  # of a connection, besides the birth: CONNECT, SUBSCRIBE, states, a wrapped key
_GREETING = 5  # messages of a connection: CONNECT, SUBSCRIBE, a birth, two states
_CAMERA_BYTES = 128  # of a camera in the birth, which it joins later

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Security:
    """What packets are sealed with, and how the broker is reached; None where they are not, or plainly."""

    keys: Keys | None
    tls: Tls | None

    @classmethod
    def of(cls, config: Config, credentials: Path | None) -> "Security":
        """Read keys and certificates. Raises ConfigError."""
        return cls(load_keys(config, credentials), load_tls(config, credentials))

    def session(self, config: Config, boot_id: bytes) -> Session:
        """Give what seals."""
        if self.keys is None:
            return PlainSession()
        return SealedSession(self.keys, topics_of(config.device), boot_id, os.urandom)


def budget_of(
    config: Config, birth: Birth, security: Security | None = None, kept: Kept | None = None
) -> Budget:
    """Make the budget, which pays for this birth and for cameras that join it. Raises ConfigError."""
    kept = kept or Kept()
    network, cameras = config.network, len(config.camera)
    standing = Standing(len(documents.encode(birth)) + cameras * _CAMERA_BYTES + _CONNECTION_BYTES)
    if network.count == "wire":
        standing = _with_transport(standing, security.tls if security else None, config.broker.keepalive_s)
    links = {each.name: _terms(network, each.name, kept) for each in network.link}
    whole, path = _terms(network, "", kept), _beside(config, ".budget")
    try:
        return Budget(whole.limits, standing, path, cameras, whole.sends, links, whole.instead)
    except BudgetError as error:
        raise ConfigError(f"network.{error}") from error


def _terms(whole: Network, link: str, kept: Kept) -> Terms:
    network, limits = whole.on(link), limits_on(whole, link)
    schedule = Schedule(network.send_hours, network.send_timezone)
    instead = kept.limits(link, limits, inherited(whole, link))
    return Terms(limits, lambda: schedule.is_open(time.time()), instead)


def _with_transport(standing: Standing, shown: Tls | None, keepalive_s: int) -> Standing:
    """Count TCP/IP and TLS of a connection, of its first messages, and of pings, too."""
    tls = shown is not None
    opening = transport.connection_bytes(
        shown.shown_bytes if shown else None
    ) + _GREETING * transport.message_bytes(1, tls=tls, answered=True)
    pings = transport.message_bytes(PING_BYTES, tls=tls, answered=True) / keepalive_s
    return Standing(standing.connection_bytes + opening, standing.bytes_per_s + pings)


def links_of(network: Network, pipeline: Pipeline, composers: Mapping[str, Composer]) -> Links:
    """Make what follows the link to the broker; segments are made for the one that is active."""

    def adopt(now: Network) -> None:
        before, detail = pipeline.allowed["layers"], pipeline.detail
        if (pipeline.carry(now)["layers"], pipeline.detail) != (before, detail):
            for composer in composers.values():
                composer.refresh()  # what waits may have to wait longer: nothing builds on it

    return Links(network, adopt)


def chooser(budget: Budget, spool: Spool, camera: str) -> Choose | None:
    """Let the budget choose what is sent of a camera, if there is one."""
    if not budget.is_limited:
        return None

    def choose(menu: Menu) -> Plan:
        return budget.plan(camera, menu, time.monotonic(), spool.backlog().body_bytes)

    return choose


def ledger_of(config: Config) -> Ledger:
    """Open the ledger, which goes on where it was."""
    return Ledger(_beside(config, ".ledger"))


def keeper_of(config: Config) -> Keeper:
    """Read what the cloud has set, if it has set anything."""
    return Keeper(_beside(config, ".policy"))


def uplink_of(config: Config, security: Security, spool: Spool, birth: Birth, parts: Parts) -> Uplink:
    """Make the uplink."""
    broker = config.broker
    address = Address(broker.host, broker.port, security.tls, broker.keepalive_s)
    return Uplink(address, topics_of(config.device), spool, birth, parts)


def guard_of(config: Config, bundle: Bundle) -> Guard:
    """Make what redacts all cameras. Raises DetectorError and PolicyError for what it cannot."""
    zones = {camera.name: camera.zones for camera in config.camera}
    settings = config.settings()
    return Guard(config.sender, bundle, zones, Runtime(settings.threads, settings.engine_cache))


def meter_of(config: Config) -> Meter | None:
    """Compare with video, where that is wanted and possible."""
    settings = config.meter
    if not settings.enabled:
        return None
    try:
        video.check()
    except VideoError as error:
        log.warning("bytes are not compared with those of video", reason=str(error))
        return None
    qualities = {
        Codec.H264: Quality(settings.preset, settings.h264_crf),
        Codec.H265: Quality(settings.preset, settings.h265_crf),
    }
    return Meter([camera.name for camera in config.camera], qualities, settings.share)


def metrics_of(
    config: Config, parts: Parts, uplink: Uplink, spool: Spool, inbox: Inbox, times: EncodeTimes
) -> contextlib.AbstractContextManager[object]:
    """Let Prometheus read, where it may; entering raises MetricsError."""
    if config.metrics.port is None:
        return contextlib.nullcontext()
    from edge.metrics import DeviceCollector, Sources, exposed

    sources = Sources(
        topics=topics_of(config.device),
        cameras=parts.cameras,
        ledger=parts.ledger,
        times=times,
        backlog=spool.backlog,
        oldest_s=spool.oldest_s,
        dropped_segments=lambda: inbox.dropped,
        is_connected=lambda: uplink.is_connected,
        attempts=lambda: uplink.attempts,
        month=lambda: (parts.budget.limits, parts.budget.month_bytes),
        links=parts.links,
        read=Sensors().read,
    )
    return exposed(config.metrics.host, config.metrics.port, DeviceCollector(sources))


def _beside(config: Config, suffix: str) -> Path:
    path = Path(config.spool.path)
    return path.with_name(path.name + suffix)
