"""What the device's process is told, in a JSON file."""

from enum import Enum
from typing import Literal

from msgspec import Struct

from wire.topics import DeviceTopics

TOPICS = DeviceTopics("chaos", "bench", "device-1")
AGENT, AGENT_CAMERA = DeviceTopics("chaos", "bench", "agent-1"), "clip"
CAMERAS = ("door", "gate", "yard")
KEEPALIVE_S = 4  # of both sides: half-open connections are found within a run of a minute
RESEND_S = 4.0


class Mistake(str, Enum):
    """What the harness can do wrong on purpose, so that tests see it found."""

    NONE = "none"
    FREES_WHEN_SENT = "frees-when-sent"  # the device does not wait for the cloud
    ACKNOWLEDGES_EARLY = "acknowledges-early"  # the cloud claims what it has not stored yet
    FORGETS = "forgets"  # the cloud stores a packet, and loses it before the commit
    ALTERS = "alters"  # the cloud stores another content


class Settings(Struct, frozen=True):
    """Where everything is; `number` says which life of the device this is."""

    port: int
    folder: str
    number: int
    seed: int
    store: str
    bundle: str
    bundle_sha256: str
    segments_per_s: float
    spool_bytes: int
    cameras: tuple[str, ...] = CAMERAS
    drain_timeout_s: float = 90.0
    envelope: Literal["none", "sealed"] = "sealed"
    mistake: Mistake = Mistake.NONE
