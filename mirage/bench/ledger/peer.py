"""The other side of a measured uplink: acknowledges every packet, without keys."""

import threading

from edge.address import Address
from edge.link import Link
from edge.message import Message
from wire import documents
from wire.documents import Ack, AckWatermark
from wire.envelope import PlainEnvelope
from wire.packet import Packet
from wire.topics import DeviceTopics, sem_filter

_STEP_S = 0.02


class Acknowledger:
    """Runs in a thread of its own; for one device whose packets come in order, but for repetitions."""

    def __init__(self, port: int, topics: DeviceTopics) -> None:
        self._topics = topics
        self._highest: dict[str, int] = {}  # by boot
        self._news = False
        self._ended = threading.Event()
        self._link = Link(Address("127.0.0.1", port), "acknowledger", None, self._receive)
        self._link.subscribe(sem_filter(None))
        while not self._link.subscribed:
            self._link.step(_STEP_S)
        self._thread = threading.Thread(target=self._run, name="acknowledger", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Go away."""
        self._ended.set()
        self._thread.join()
        self._link.drop()

    def _run(self) -> None:
        while not self._ended.is_set():
            self._link.step(_STEP_S)
            if self._news:
                self._news = False
                boots = {boot: AckWatermark(highest) for boot, highest in self._highest.items()}
                self._link.publish(Message(self._topics.ack, documents.encode(Ack(boots)), retain=True))

    def _receive(self, topic: str, payload: bytes) -> None:
        packet = Packet.parse(PlainEnvelope().unwrap(payload, topic))
        if packet.boot_id is not None:
            boot = packet.boot_id.hex()
            self._highest[boot] = max(packet.sequence, self._highest.get(boot, -1))
            self._news = True
