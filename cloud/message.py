"""A message of the broker's, and what can become of it."""

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple


class Outcome(Enum):
    """What became of a message."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    PENDING = "pending"  # its birth has not come yet
    LIMITED = "limited"  # beyond its device's rate: not stored, the device sends it again
    QUARANTINED = "quarantined"
    BIRTH = "birth"
    STATE = "state"
    TELEMETRY = "telemetry"
    REPLY = "reply"
    IGNORED = "ignored"


class Message(NamedTuple):
    """One message as the broker delivered it; `retained` if the broker had kept it."""

    topic: str
    payload: bytes
    received_ms: int
    retained: bool = False


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a message, and the device (row id) that is owed an acknowledgement for it."""

    outcome: Outcome
    owed: int | None = None


class Delivery(NamedTuple):
    """A message and what it takes to acknowledge it: packet id, QoS, and the connection it came on."""

    message: Message
    mid: int
    qos: int
    connection: int
