"""A device that speaks to a real broker."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from wire import documents
from wire.documents import Ack


@contextmanager
def connected(port: int, client_id: str, frames: list[bytes] | None = None) -> Iterator["Peer"]:
    """Connect a client that publishes, and remembers acks that it subscribed to; in `frames` as they came."""
    peer = Peer(client_id, frames)
    peer.client.connect("127.0.0.1", port)
    peer.client.loop_start()
    try:
        assert peer.ready.wait(60), "no connection"
        yield peer
    finally:
        peer.client.disconnect()
        peer.client.loop_stop()
        peer.client.on_connect = peer.client.on_message = None  # a cycle, which would keep sockets open


class Peer:
    def __init__(self, client_id: str, frames: list[bytes] | None) -> None:
        self.frames = frames
        self.ready = threading.Event()
        self.acks: list[Ack] = []
        self.client = Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTProtocolVersion.MQTTv5
        )
        self.client.on_connect = self._connected
        self.client.on_message = self._received

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish and wait for the broker's receipt."""
        self.client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(10)

    def _connected(
        self, _client: Client, _data: object, _flags: ConnectFlags, reason: ReasonCode, _: Properties | None
    ) -> None:
        assert not reason.is_failure
        self.ready.set()

    def _received(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        if self.frames is None:
            self.acks.append(documents.decode_ack(bytes(message.payload)))
        else:
            self.frames.append(bytes(message.payload))
