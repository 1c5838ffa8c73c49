"""A cloud that acknowledges, on a real broker."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge.tls import Tls
from tests.edge.sealing import Secrets
from wire import documents, envelope, gap, keys, signature, telemetry, topics
from wire.documents import Ack, AckWatermark, Birth, Command, Reply, State, Value
from wire.envelope import Envelope, PlainEnvelope, SealedEnvelope
from wire.packet import Layer, Packet
from wire.telemetry import REPLY, Telemetry
from wire.topics import DeviceTopics

TOPICS = DeviceTopics("acme", "plant", "jetson-1")
HOUR_MS = 3_600_000


@dataclass(frozen=True)
class Connection:
    """The keys of one connection of the device, which are of one boot."""

    boot: str
    wrapped: str
    up: Envelope
    down: Envelope


class Cloud:
    """Subscribes to everything of one device, and acknowledges what it gets while `acknowledges` is set.

    With `secrets`, births must be signed and packets sealed; each birth is answered by an ack.
    """

    def __init__(
        self,
        port: int,
        *,
        acknowledges: bool = True,
        secrets: Secrets | None = None,
        tls: Tls | None = None,
        ahead_ms: int = 0,
    ) -> None:
        self.acknowledges = acknowledges
        self.ahead_ms = ahead_ms  # of the true time
        self.packets: dict[tuple[str, int], Packet] = {}  # by boot and sequence
        self.deliveries = 0
        self.births: list[Birth] = []
        self.states: list[str] = []
        self.records: list[Telemetry] = []  # minutes
        self.remarks: list[Telemetry] = []  # and statements
        self.replies: list[Reply] = []
        self.frames: list[tuple[str, bytes]] = []  # as they came: topic and payload
        self.order: list[int] = []  # sequences as they came
        self.connections: dict[int, Connection] = {}  # by key id
        self.nonces: list[tuple[str, int]] = []  # wrapped key and counter of each frame that was opened
        self.failures: list[Exception] = []
        self._secrets = secrets
        self._boots: dict[str, set[int]] = {}
        self._key_id = 0
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, "cloud", protocol=mqtt.MQTTv5)
        if tls is not None:
            self._client.tls_set_context(tls.context())
        self._client.on_connect = self._connected
        self._client.on_message = self._received
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        wait_for(self._client.is_connected)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        self._client.on_connect = self._client.on_message = None  # a cycle, which would keep sockets open
        assert self.failures == []

    def sequences(self, boot: str) -> list[int]:
        return sorted(sequence for at, sequence in self.packets if at == boot)

    def acknowledge(self, boot: str, highest: int, holes: tuple[tuple[int, int], ...] = ()) -> None:
        self._acknowledge(Ack({boot: AckWatermark(highest, holes)}, self.now_ms()))

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self.ahead_ms

    def say(self, topic: str, payload: bytes) -> None:
        self._client.publish(topic, payload, qos=1)

    def command(
        self, verb: str, command_id: str, deadline_ms: int | None = None, **arguments: Value
    ) -> tuple[str, bytes]:
        """Send a command, for an hour from now if nothing is said; gives topic and payload."""
        deadline_ms = self.now_ms() + HOUR_MS if deadline_ms is None else deadline_ms
        return self.order_raw(verb, documents.encode(Command(command_id, deadline_ms, arguments)))

    def order_raw(self, verb: str, body: bytes) -> tuple[str, bytes]:
        """Send what may be no command."""
        topic = TOPICS.cmd(verb)
        payload = self._sealed(body, topic)
        self.say(topic, payload)
        return topic, payload

    def reply(self, command_id: str) -> Reply:
        """Wait for the answer to a command."""
        wait_for(lambda: any(each.id == command_id for each in self.replies))
        return next(each for each in self.replies if each.id == command_id)

    def _sealed(self, body: bytes, topic: str) -> bytes:
        return body if self._secrets is None else self.connections[self._key_id].down.wrap(body, topic)

    def _acknowledge(self, ack: Ack) -> None:
        payload = self._sealed(documents.encode(ack), TOPICS.ack)
        self._client.publish(TOPICS.ack, payload, qos=1, retain=True)

    def _connected(self, client: mqtt.Client, *_: object) -> None:
        filters = (topics.BIRTH_FILTER, topics.STATE_FILTER, topics.TELEMETRY_FILTER)
        for each in (*filters, topics.sem_filter("cloud")):
            client.subscribe(each, options=SubscribeOptions(qos=1))

    def _received(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        try:
            self._take(message.topic, bytes(message.payload))
        except (ValueError, LookupError) as error:  # paho would only log it
            self.failures.append(error)

    def _take(self, topic: str, payload: bytes) -> None:
        self.frames.append((topic, payload))
        leaf = topics.parse(topic).leaf
        if leaf == "birth":
            self._take_birth(payload)
        elif leaf == "state":
            state: State = documents.decode_state(payload)
            self.states.append(state.state)
        elif leaf == "telemetry":
            body, _ = self._opened(payload, topic)
            if body[0] == REPLY:
                self.replies.append(documents.decode_reply(body[1:]))
            else:
                for record in telemetry.parse(body):
                    (self.records if record.span_s else self.remarks).append(record)
        else:
            body, boot = self._opened(payload, topic)
            self._take_packet(Packet.parse(body), boot)

    def _take_birth(self, payload: bytes) -> None:
        birth = documents.decode_birth(payload)
        if self._secrets is not None:
            signature.verify(payload, self._secrets.device.public_key(), TOPICS.birth)
            self._learn(birth, self._secrets)
        if birth.wrapped_key is not None and self.acknowledges:
            self._acknowledge(self._ack())
        self.births.append(birth)  # when key and time are told: whoever waits for it may command at once

    def _learn(self, birth: Birth, secrets: Secrets) -> None:
        if birth.wrapped_key is None:
            return
        context = keys.context_of(TOPICS.birth, birth.boot_id, birth.key_id)
        secret = keys.unwrap(birth.wrapped_key, secrets.cloud, context)
        known = self.connections.get(birth.key_id)
        if known is None or known.wrapped != birth.wrapped_key:
            self.connections[birth.key_id] = Connection(
                birth.boot_id,
                birth.wrapped_key,
                SealedEnvelope(keys.up(secret), birth.key_id),
                SealedEnvelope(keys.down(secret), birth.key_id),
            )
        self._key_id = birth.key_id

    def _opened(self, payload: bytes, topic: str) -> tuple[bytes, str]:
        if self._secrets is None:
            return PlainEnvelope().unwrap(payload, topic), self.births[-1].boot_id
        header = envelope.read_header(payload)
        connection = self.connections[header.key_id]
        self.nonces.append((connection.wrapped, header.counter))
        return connection.up.unwrap(payload, topic), connection.boot

    def _take_packet(self, packet: Packet, boot: str) -> None:
        boot = packet.boot_id.hex() if packet.boot_id else boot
        self.deliveries += 1
        self.order.append(packet.sequence)
        self.packets[boot, packet.sequence] = packet
        stored = self._boots.setdefault(boot, set())
        stored.add(packet.sequence)
        if Layer.GAP in packet.layers:
            lost = gap.decode(packet.layers[Layer.GAP])
            stored |= set(range(lost.first, lost.last + 1))
        if self.acknowledges:
            self._acknowledge(self._ack())

    def _ack(self) -> Ack:
        boots = {}
        for boot, stored in self._boots.items():
            absent = sorted(set(range(max(stored))) - stored)
            boots[boot] = AckWatermark(max(stored), tuple((each, each) for each in absent))
        return Ack(boots, self.now_ms())


def wait_for(claim: Callable[[], bool], timeout_s: float = 60.0) -> None:
    """Wait until `claim` is true, or fail."""
    deadline_s = time.monotonic() + timeout_s
    while not claim():
        assert time.monotonic() < deadline_s, "waited in vain"
        threading.Event().wait(0.02)
