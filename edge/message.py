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


RECEIPT_BYTES = 4  # PUBACK
PING_BYTES = 2  # PINGREQ, DISCONNECT
FRAME_BYTES = 48  # the most that is around a body with an alias: header, tag, boot id, PUBLISH


def greeting_bytes(client_id: str, will: Message, topics: tuple[str, ...]) -> int:
    """Count CONNECT and SUBSCRIBE as edge/link.py writes them."""
    strings = sum(2 + len(part) for part in (client_id.encode(), will.topic.encode(), will.payload))
    connect = 10 + 6 + strings + 1  # with one property, and no properties of the will
    subscribe = 3 + sum(3 + len(topic.encode()) for topic in topics)
    return sum(1 + _varint_bytes(size) + size for size in (connect, subscribe))


def _varint_bytes(value: int) -> int:
    return max((value.bit_length() + 6) // 7, 1)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A message at QoS 1 that the broker did not take, and will not."""

    message: Message
    reason: str
    too_large: bool
