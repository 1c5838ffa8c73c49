"""A cloud that acknowledges, on a real broker."""

import threading
import time
from collections.abc import Callable

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.subscribeoptions import SubscribeOptions

from wire import documents, gap, topics
from wire.documents import Ack, AckWatermark, Birth, State
from wire.envelope import PlainEnvelope
from wire.packet import Layer, Packet
from wire.topics import DeviceTopics

TOPICS = DeviceTopics("acme", "plant", "jetson-1")


class Cloud:
    """Subscribes to everything of one device, and acknowledges what it gets while `acknowledges` is set."""

    def __init__(self, port: int, *, acknowledges: bool = True) -> None:
        self.acknowledges = acknowledges
        self.packets: dict[tuple[str, int], Packet] = {}  # by boot and sequence
        self.deliveries = 0
        self.births: list[Birth] = []
        self.states: list[str] = []
        self._boots: dict[str, set[int]] = {}
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, "cloud", protocol=mqtt.MQTTv5)
        self._client.on_connect = self._connected
        self._client.on_message = self._received
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        wait_for(self._client.is_connected)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        self._client.on_connect = self._client.on_message = None  # a cycle, which would keep sockets open

    def sequences(self, boot: str) -> list[int]:
        return sorted(sequence for at, sequence in self.packets if at == boot)

    def acknowledge(self, boot: str, highest: int, holes: tuple[tuple[int, int], ...] = ()) -> None:
        ack = Ack({boot: AckWatermark(highest, holes)})
        self._client.publish(TOPICS.ack, documents.encode(ack), qos=1, retain=True)

    def say(self, topic: str, payload: bytes) -> None:
        self._client.publish(topic, payload, qos=1)

    def _connected(self, client: mqtt.Client, *_: object) -> None:
        for each in (topics.BIRTH_FILTER, topics.STATE_FILTER, topics.sem_filter("cloud")):
            client.subscribe(each, options=SubscribeOptions(qos=1))

    def _received(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        leaf, payload = topics.parse(message.topic).leaf, bytes(message.payload)
        if leaf == "birth":
            self.births.append(documents.decode_birth(payload))
        elif leaf == "state":
            state: State = documents.decode_state(payload)
            self.states.append(state.state)
        else:
            self._take(Packet.parse(PlainEnvelope().unwrap(payload, message.topic)))

    def _take(self, packet: Packet) -> None:
        boot = packet.boot_id.hex() if packet.boot_id else self.births[-1].boot_id
        self.deliveries += 1
        self.packets[boot, packet.sequence] = packet
        stored = self._boots.setdefault(boot, set())
        stored.add(packet.sequence)
        if Layer.GAP in packet.layers:
            lost = gap.decode(packet.layers[Layer.GAP])
            stored |= set(range(lost.first, lost.last + 1))
        if self.acknowledges:
            absent = sorted(set(range(max(stored))) - stored)
            self.acknowledge(boot, max(stored), tuple((each, each) for each in absent))


def wait_for(claim: Callable[[], bool], timeout_s: float = 15.0) -> None:
    """Wait until `claim` is true, or fail."""
    deadline_s = time.monotonic() + timeout_s
    while not claim():
        assert time.monotonic() < deadline_s, "waited in vain"
        threading.Event().wait(0.02)
