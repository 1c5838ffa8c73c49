"""Topic names: mirage/v1/{tenant}/{site}/{device}/... and what subscribes to them.

.../birth  .../state  .../telemetry  .../ack  .../cmd/{verb}     of the device
.../{camera}/sem  .../{camera}/event                             of one of its cameras
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

PREFIX = "mirage/v1"
RESERVED = frozenset({"birth", "state", "telemetry", "ack", "cmd"})
DEVICE_LEAVES = RESERVED - {"cmd"}
CAMERA_LEAVES = frozenset({"sem", "event"})
VERBS = ("keyframe", "ping", "set-bundle", "set-policy", "set-release")  # of commands

BIRTH_FILTER = f"{PREFIX}/+/+/+/birth"
STATE_FILTER = f"{PREFIX}/+/+/+/state"
TELEMETRY_FILTER = f"{PREFIX}/+/+/+/telemetry"

_ID = re.compile(r"[a-z0-9-]{1,32}")


class TopicError(ValueError):
    """The name is not one of this protocol's."""


@dataclass(frozen=True, slots=True)
class Topic:
    """What a topic name says; `camera` and `verb` only where its leaf has one."""

    tenant: str
    site: str
    device: str
    camera: str | None
    leaf: str
    verb: str | None = None


@dataclass(frozen=True, slots=True)
class DeviceTopics:
    """The names of one device's topics."""

    tenant: str
    site: str
    device: str

    def __post_init__(self) -> None:
        check_id("tenant", self.tenant)
        check_id("site", self.site)
        check_id("device", self.device)

    @property
    def root(self) -> str:
        return f"{PREFIX}/{self.tenant}/{self.site}/{self.device}"

    @property
    def birth(self) -> str:
        return f"{self.root}/birth"

    @property
    def state(self) -> str:
        return f"{self.root}/state"

    @property
    def telemetry(self) -> str:
        return f"{self.root}/telemetry"

    @property
    def ack(self) -> str:
        return f"{self.root}/ack"

    def cmd(self, verb: str) -> str:
        """Name a command's topic; `+` makes it the filter of all commands."""
        return f"{self.root}/cmd/{verb if verb == '+' else check_id('verb', verb)}"

    def sem(self, camera: str) -> str:
        return f"{self.root}/{check_camera(camera)}/sem"

    def event(self, camera: str) -> str:
        return f"{self.root}/{check_camera(camera)}/event"


def parse(topic: str) -> Topic:
    """Take a topic name apart, or raise TopicError."""
    parts = topic.split("/")
    if len(parts) not in (6, 7) or f"{parts[0]}/{parts[1]}" != PREFIX:
        raise TopicError(f"topic {topic!r} is not {PREFIX}/tenant/site/device/...")
    tenant = check_id("tenant", parts[2])
    site = check_id("site", parts[3])
    device = check_id("device", parts[4])
    if len(parts) == 6 and parts[5] in DEVICE_LEAVES:
        return Topic(tenant, site, device, None, parts[5])
    if len(parts) == 7 and parts[5] == "cmd":
        return Topic(tenant, site, device, None, "cmd", check_id("verb", parts[6]))
    if len(parts) == 7 and parts[6] in CAMERA_LEAVES:
        return Topic(tenant, site, device, check_camera(parts[5]), parts[6])
    raise TopicError(f"topic {topic!r} ends in nothing that version 1 knows")


def sem_filter(group: str | None) -> str:
    """Filter for every packet; members of the same `group` share them out among each other."""
    return _shared(f"{PREFIX}/+/+/+/+/sem", group, "")


def telemetry_filter(group: str | None) -> str:
    """Filter for all telemetry, shared out likewise."""
    return _shared(TELEMETRY_FILTER, group, ".telemetry")


def _shared(everything: str, group: str | None, suffix: str) -> str:
    # A suffix, because rumqttd 0.20 loses messages where one group has two filters.
    return everything if group is None else f"$share/{check_id('group', group)}{suffix}/{everything}"


def check_id(what: str, value: str) -> str:
    """Give `value` back if it is an id, else raise TopicError; `what` names it in the message."""
    if _ID.fullmatch(value) is None:
        raise TopicError(f"{what} {value!r} is not 1 to 32 of a-z, 0-9 and '-'")
    return value


def check_name(what: str, value: str) -> str:
    """Give `value` back if something may be called so anew, else raise TopicError.

    Names are ids that have a letter or a digit: "-" is none, as commands take it for something else. On the
    wire such ids are read all the same, as version 1 has them.
    """
    if not check_id(what, value).strip("-"):
        raise TopicError(f"{what} {value!r} has neither a letter nor a digit: give it a name")
    return value


def check_names(device: DeviceTopics, cameras: Iterable[str]) -> None:
    """Raise TopicError unless a device and its cameras may be called so anew."""
    for what, value in (("tenant", device.tenant), ("site", device.site), ("device", device.device)):
        check_name(what, value)
    for camera in cameras:
        check_name("camera", check_camera(camera))


def check_camera(name: str) -> str:
    """Give `name` back if a camera may be called so, else raise TopicError."""
    if name in RESERVED:
        raise TopicError(f"camera name {name!r} is reserved")
    return check_id("camera", name)
