"""A third party that listens to events of a real broker."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from wire import events
from wire.events import Event


class Listener:
    """Keeps what it heard, in the order in which it came."""

    def __init__(self) -> None:
        self.ready = threading.Event()
        self.topics: list[str] = []
        self.kinds: list[str | None] = []
        self.heard: list[Event] = []
        self.client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self.client.on_connect = self._connected
        self.client.on_subscribe = lambda *_: self.ready.set()
        self.client.on_message = self._received

    @property
    def ids(self) -> list[str]:
        return [event.id for event in self.heard]

    def _connected(
        self, client: Client, _data: object, _flags: ConnectFlags, _reason: ReasonCode, _: Properties | None
    ) -> None:
        client.subscribe("mirage/v1/+/+/+/+/event", qos=1)

    def _received(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self.topics.append(message.topic)
        self.kinds.append(getattr(message.properties, "ContentType", None))
        self.heard.append(events.decode(bytes(message.payload)))


@contextmanager
def listening(port: int) -> Iterator[Listener]:
    """Connect, and listen from then on, also after the broker was away."""
    listener = Listener()
    listener.client.reconnect_delay_set(1, 1)
    listener.client.connect("127.0.0.1", port)
    listener.client.loop_start()
    try:
        assert listener.ready.wait(60), "no subscription"
        yield listener
    finally:
        listener.client.disconnect()
        listener.client.loop_stop()
        # A cycle, which would keep sockets open.
        listener.client.on_connect = listener.client.on_subscribe = listener.client.on_message = None
