"""What goes to the broker."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """What is published under a topic. `position` is that of a packet in the spool, 0 of anything else."""

    topic: str
    payload: bytes
    retain: bool = False
    qos: int = 1
    position: int = 0


@dataclass(frozen=True, slots=True)
class Refusal:
    """A message at QoS 1 that the broker did not take, and will not."""

    message: Message
    reason: str
    too_large: bool
