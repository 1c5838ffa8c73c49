"""The broker's access list (Mosquitto's `acl_file`): exact lines for each device, patterns for roles only.

    user edge-1                                        the common name of the client's certificate
    topic write mirage/v1/acme/north/edge-1/birth      also state, telemetry, and sem of each camera
    topic read mirage/v1/acme/north/edge-1/ack         also cmd/VERB for each verb

Who is not named may do nothing. Ids have no dot and roles have one, so no device is taken for a role.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cloud.enrolment import Enrolment
from wire.topics import (
    BIRTH_FILTER,
    PREFIX,
    STATE_FILTER,
    VERBS,
    TopicError,
    check_id,
    sem_filter,
)

_HEADER = "# Made by `mirage cloud acl`; edit nothing here. Mosquitto reads it again at SIGHUP.\n"
_USER = re.compile(r"[a-z0-9-]{1,32}(\.[a-z0-9-]{1,32})?")
_ALL_DEVICES = f"{PREFIX}/+/+/+"


class AclError(ValueError):
    """The list would not say what it should; the message names the user."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What one user of the broker may do: filters of topics that it reads, and that it writes."""

    user: str
    reads: Sequence[str]
    writes: Sequence[str] = ()

    def __post_init__(self) -> None:
        if _USER.fullmatch(self.user) is None:
            raise AclError(f"user {self.user!r} is neither a device's id nor KIND.NAME")

    def __str__(self) -> str:
        lines = [f"user {self.user}"]
        lines += [f"topic write {topic}" for topic in self.writes]
        lines += [f"topic read {topic}" for topic in self.reads]
        return "\n".join(lines) + "\n"


def of_device(enrolment: Enrolment) -> Grant:
    """Let a device say what it knows and hear what is meant for it. Its `event` is the cloud's to write."""
    device = enrolment.device
    return Grant(
        device.device,
        reads=(device.ack, *(device.cmd(verb) for verb in VERBS)),
        writes=(
            device.birth,
            device.state,
            device.telemetry,
            *(device.sem(camera) for camera in enrolment.cameras),
        ),
    )


def of_cloud(name: str) -> Grant:
    """Let an ingest process hear all devices, answer, command, and tell third parties."""
    return Grant(
        _role("cloud", name),
        reads=(BIRTH_FILTER, STATE_FILTER, f"{_ALL_DEVICES}/telemetry", sem_filter(None)),
        writes=(
            f"{_ALL_DEVICES}/ack",
            *(f"{_ALL_DEVICES}/cmd/{verb}" for verb in VERBS),
            f"{_ALL_DEVICES}/+/event",
        ),
    )


def of_subscriber(name: str, tenant: str) -> Grant:
    """Let a third party read the events of one tenant, and nothing else."""
    return Grant(_role("subscriber", name), reads=(f"{PREFIX}/{_id('tenant', tenant)}/+/+/+/event",))


def of_bridge(name: str, tenant: str) -> Grant:
    """Let a bridge to another system follow a tenant: events, which devices there are, and their cameras.

    What it writes, it writes at the other system's broker.
    """
    below = f"{PREFIX}/{_id('tenant', tenant)}/+/+"
    return Grant(_role("bridge", name), reads=(f"{below}/+/event", f"{below}/state", f"{below}/birth"))


def of_monitor(name: str) -> Grant:
    """Let a monitor read what the broker says of itself."""
    return Grant(_role("monitor", name), reads=("$SYS/#",))


def acl(enrolments: Iterable[Enrolment], roles: Iterable[Grant]) -> str:
    """Write the whole file, or raise AclError. A revoked device is not in it."""
    grants = [*roles, *(of_device(enrolment) for enrolment in enrolments if enrolment.revoked_ms is None)]
    for user, times in Counter(grant.user for grant in grants).items():
        if times > 1:
            raise AclError(f"user {user!r} is named {times} times")
    return "\n".join((_HEADER, *(str(grant) for grant in grants)))


def _role(kind: str, name: str) -> str:
    return f"{kind}.{_id('name', name)}"


def _id(what: str, value: str) -> str:
    try:
        return check_id(what, value)
    except TopicError as error:
        raise AclError(str(error)) from error
