"""A real broker on the loopback (rumqttd, MQTT 5) and a device that speaks to it."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import iotcore
from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from wire import documents
from wire.documents import Ack

_CONFIG = """\
id = 0
[router]
id = 0
max_connections = 64
max_outgoing_packet_count = 200
max_segment_size = 10485760
max_segment_count = 10
[v5.1]
name = "test"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1
[v5.1.connections]
connection_timeout_ms = 10000
max_payload_size = 131072
max_inflight_count = 100
dynamic_filters = true
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class LoopbackBroker:
    """Can be stopped and started again on the same port; it forgets everything meanwhile."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._config = folder / "broker.toml"
        self._config.write_text(_CONFIG.format(port=self.port))
        self._running: iotcore.Broker | None = None

    def start(self) -> None:
        self._running = iotcore.Broker(config_path=str(self._config))
        self._running.start()

    def stop(self) -> None:
        if self._running is not None:
            self._running.stop()
            self._running = None


@contextmanager
def connected(port: int, client_id: str) -> Iterator["Peer"]:
    """Connect a client that publishes, and remembers the acks that it subscribed to."""
    peer = Peer(client_id)
    peer.client.connect("127.0.0.1", port)
    peer.client.loop_start()
    try:
        assert peer.ready.wait(10), "no connection"
        yield peer
    finally:
        peer.client.disconnect()
        peer.client.loop_stop()


class Peer:
    def __init__(self, client_id: str) -> None:
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
        self.acks.append(documents.decode_ack(bytes(message.payload)))
