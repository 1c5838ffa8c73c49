"""What each byte of an MQTT connection was spent on. Reads the stream, changes nothing, does no I/O.

    control packet = type and flags (1 B) | remaining length (1-4 B) | variable header | payload

A PUBLISH is filed under the last level of its topic (birth, state, sem, ack ...), also when only a topic
alias says which topic it is. MQTT 3.1.1 and 5.
"""

import threading
from dataclasses import dataclass, replace
from enum import IntEnum

_NAMED_LEAVES = frozenset({"birth", "state", "sem", "ack", "telemetry", "event"})
_TOPIC_ALIAS = 0x23
# Size of each MQTT 5 property that may stand in a PUBLISH before a topic alias; None: length-prefixed.
_PROPERTY_SIZES: dict[int, int | None] = {0x01: 1, 0x02: 4, 0x03: None, 0x08: None, 0x09: None}


class Direction(IntEnum):
    """Seen from the device."""

    UP = 0
    DOWN = 1


@dataclass(frozen=True, slots=True)
class Tally:
    """Control packets of one kind: how many, their bytes, and how many of those were PUBLISH payload."""

    packets: int = 0
    bytes: int = 0
    payload_bytes: int = 0

    def plus(self, size: int, payload: int) -> "Tally":
        return replace(
            self,
            packets=self.packets + 1,
            bytes=self.bytes + size,
            payload_bytes=self.payload_bytes + payload,
        )


Totals = dict[tuple[Direction, str], Tally]


class ByteLedger:
    """Adds up tallies from any number of connections and threads."""

    def __init__(self) -> None:
        self._totals: Totals = {}
        self._lock = threading.Lock()

    def add(self, direction: Direction, kind: str, size: int, payload: int = 0) -> None:
        with self._lock:
            self._totals[direction, kind] = self._totals.get((direction, kind), Tally()).plus(size, payload)

    def totals(self) -> Totals:
        with self._lock:
            return dict(self._totals)


class ConnectionMeter:
    """Follows one connection in both directions and files every byte in a ledger.

    A stream that is not MQTT is filed whole as "unparsed", and bytes of a control packet that never
    came to its end as "cut" once the connection is closed.
    """

    def __init__(self, ledger: ByteLedger) -> None:
        self._ledger = ledger
        self._version = 5
        self._pending = {direction: bytearray() for direction in Direction}
        self._aliases: dict[Direction, dict[int, str]] = {direction: {} for direction in Direction}
        self._unreadable: set[Direction] = set()

    def feed(self, direction: Direction, data: bytes) -> None:
        """Account for bytes in the order in which they went over the wire."""
        pending = self._pending[direction]
        pending += data
        while pending and direction not in self._unreadable:
            header = _remaining_length(pending)
            if header is None:
                return
            start, length = header
            if start == 0:
                self._unreadable.add(direction)
                break
            if len(pending) < start + length:
                return
            packet = bytes(pending[: start + length])
            del pending[: start + length]
            self._file(direction, packet, start)
        if direction in self._unreadable and pending:
            self._ledger.add(direction, "unparsed", len(pending))
            pending.clear()

    def close(self) -> None:
        """File what an ended connection left unfinished."""
        for direction, pending in self._pending.items():
            if pending:
                self._ledger.add(direction, "cut", len(pending))
                pending.clear()

    def _file(self, direction: Direction, packet: bytes, start: int) -> None:
        kind = packet[0] >> 4
        if kind == 1 and len(packet) > start + 6:
            self._version = packet[start + 6]
        if kind != 3:
            self._ledger.add(direction, _KINDS.get(kind, "other"), len(packet))
            return
        try:
            name, payload = self._publish(direction, packet, start)
        except IndexError:
            name, payload = "unparsed", 0
        self._ledger.add(direction, name, len(packet), payload)

    def _publish(self, direction: Direction, packet: bytes, start: int) -> tuple[str, int]:
        """Leaf of the topic and payload size. Raises IndexError where the packet is too short."""
        length = packet[start] << 8 | packet[start + 1]
        topic = packet[start + 2 : start + 2 + length].decode(errors="replace")
        at = start + 2 + length + (2 if packet[0] & 0b110 else 0)
        if self._version >= 5:
            size, at = _varint(packet, at)
            alias = _topic_alias(packet[at : at + size])
            at += size
            if alias is not None and topic:
                self._aliases[direction][alias] = topic
            elif alias is not None:
                topic = self._aliases[direction].get(alias, "")
        leaf = topic.rsplit("/", 1)[-1]
        return leaf if leaf in _NAMED_LEAVES else "other", len(packet) - at


_KINDS = {
    **dict.fromkeys((1, 2, 14, 15), "connect"),
    **dict.fromkeys((4, 5, 6, 7), "receipt"),
    **dict.fromkeys((8, 9, 10, 11), "subscribe"),
    **dict.fromkeys((12, 13), "ping"),
}


def _remaining_length(data: bytearray) -> tuple[int, int] | None:
    """Size of the fixed header and what follows it; None: not all there yet; (0, 0): no MQTT."""
    try:
        length, start = _varint(data, 1)
    except IndexError:
        return None if len(data) < 5 else (0, 0)
    return (0, 0) if data[0] >> 4 == 0 else (start, length)


def _varint(data: bytes | bytearray, at: int) -> tuple[int, int]:
    """MQTT's variable byte integer: value, offset behind it. Raises IndexError when cut."""
    value = 0
    for place in range(4):
        byte = data[at + place]
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, at + place + 1
    raise IndexError(at)


def _topic_alias(properties: bytes) -> int | None:
    at = 0
    while at < len(properties):
        identifier = properties[at]
        if identifier == _TOPIC_ALIAS:
            return properties[at + 1] << 8 | properties[at + 2]
        size = _PROPERTY_SIZES.get(identifier, 0)
        if size == 0:
            return None  # content this meter does not know: the topic itself is then given or lost
        at += 1 + (2 + (properties[at + 1] << 8 | properties[at + 2]) if size is None else size)
    return None
