"""What goes to the broker."""

from dataclasses import dataclass

from wire.packet import Packet
from wire.spent import HEADER, camera_layer


@dataclass(frozen=True, slots=True)
class Bill:
    """What a payload is for: its bytes by layer, of a camera or, for None, of the device itself.

    `again`: it went out before.
    """

    camera: str | None
    layers: tuple[tuple[str, int], ...]
    again: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """What is published under a topic. `position` is that of a packet in the spool, 0 of anything else."""

    topic: str
    payload: bytes
    retain: bool = False
    qos: int = 1
    position: int = 0
    bill: Bill | None = None


RECEIPT_BYTES = 4  # PUBACK
PING_BYTES = 2  # PINGREQ, DISCONNECT
FRAME_BYTES = 48  # the most that is around a body with an alias: header, tag, boot id, PUBLISH


def own_bill(layer: str, payload: bytes) -> Bill:
    """Charge a payload to the device."""
    return Bill(None, ((layer, len(payload)),))


def packet_bill(camera: str, packet: Packet, payload: bytes, *, again: bool) -> Bill:
    """Charge a packet, and what is around it in its payload, to a camera."""
    layers = tuple((camera_layer(layer), len(data)) for layer, data in packet.layers.items())
    head = len(payload) - sum(size for _, size in layers)
    return Bill(camera, ((HEADER, head), *layers), again)


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
