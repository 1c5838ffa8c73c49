"""One MQTT 5 connection of a subscriber, from CONNECT to its end.

    step() --> messages --> ack() once they are dealt with
    publish() --> flush(): the broker has them all

A lost connection is replaced by a new object. Messages that were not acknowledged come again where there is a
session, that is, a client id and a `session_s`.
"""

import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from paho.mqtt import MQTTException
from paho.mqtt.client import Client, MQTTMessage, error_string
from paho.mqtt.enums import CallbackAPIVersion, LogLevel, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge.tls import TlsError, reason_of, without_source
from mirage.subscriber.settings import Broker
from wire.packet import MAX_FRAME

KEEPALIVE_S = 30
ANSWER_S = 10.0  # for CONNECT, SUBSCRIBE and PUBLISH to be answered
WINDOW = 64  # messages that the broker may send ahead of our acknowledgements
_STEP_S = 0.1
_UNSPECIFIED = 0x80
_CALLBACKS = ("on_connect", "on_disconnect", "on_subscribe", "on_publish", "on_message", "on_log")
# What paho raises where it reads what no broker should send.
_MALFORMED = (
    MQTTException, struct.error, LookupError, ValueError, TypeError, AssertionError, RuntimeError,
)  # fmt: skip


class BrokerError(ConnectionError):
    """The broker is not there, refused, or went away; the message says which and what to look at."""


class Message(NamedTuple):
    """One message as the broker delivered it; `retained` if it had kept it."""

    topic: str
    payload: bytes
    retained: bool
    mid: int
    qos: int


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker says in our name when we are gone; it keeps it."""

    topic: str
    payload: bytes


class Connection:
    """For one thread. Nothing happens outside `step`, which everything else waits for."""

    def __init__(self, broker: Broker, *, session_s: int = 0, will: Will | None = None) -> None:
        """Connect and wait until the broker accepts, or raise BrokerError."""
        host, port = broker.address
        self._address = f"{host}:{port}"
        self._broker = broker
        self._accepted = False
        self._refusal = self._trouble = ""
        self._received: list[Message] = []
        self._unanswered = dict[int, str]()  # packet ids, and what was asked
        self._client = Client(
            CallbackAPIVersion.VERSION2, broker.client, protocol=MQTTProtocolVersion.MQTTv5, manual_ack=True
        )
        self._client.connect_timeout = ANSWER_S
        if broker.user is not None:
            self._client.username_pw_set(broker.user, broker.password())
        if will is not None:
            self._client.will_set(will.topic, will.payload, qos=1, retain=True)
        self._listen()
        try:
            self._connect(session_s)
            self._await(lambda: self._accepted, "CONNECT: is it an MQTT 5 broker?")
        except BrokerError:
            self.drop()
            raise

    def subscribe(self, *filters: str) -> None:
        """Ask for topics at QoS 1 and wait for the answer, or raise BrokerError."""
        code, mid = self._client.subscribe([(each, SubscribeOptions(qos=1)) for each in filters])
        if code != MQTTErrorCode.MQTT_ERR_SUCCESS or mid is None:
            raise BrokerError(f"{self._address}: {error_string(code)}")
        self._unanswered[mid] = f"read {', '.join(filters)}"
        self._await(lambda: mid not in self._unanswered, "SUBSCRIBE")

    def step(self, timeout_s: float) -> list[Message]:
        """Read and write for up to `timeout_s` and give what came, or raise BrokerError once it is gone."""
        if not self._received:
            self._loop(timeout_s)
        received, self._received = self._received, []
        return received

    def ack(self, message: Message) -> None:
        """Say that a message was dealt with."""
        self._client.ack(message.mid, message.qos)

    def publish(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Send at QoS 1; `flush` waits for the receipt."""
        info = self._client.publish(topic, payload, qos=1, retain=retain)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise BrokerError(f"{self._address}: {error_string(info.rc)}")
        self._unanswered[info.mid] = f"write {topic}"

    def flush(self) -> None:
        """Wait until the broker has taken all that was published, or raise BrokerError."""
        if self._unanswered:
            self._await(lambda: not self._unanswered, "PUBLISH")

    def close(self) -> None:
        """Say goodbye, so that the broker does not publish the will."""
        self._client.disconnect()
        self.drop()

    def drop(self) -> None:
        """Let go of the connection and of all its sockets."""
        connection = self._client.socket()
        if connection is not None:
            connection.close()
        # The callbacks are a cycle: with it, the wake-up sockets of paho wait for the garbage collector.
        for each in _CALLBACKS:
            setattr(self._client, each, None)

    def _connect(self, session_s: int) -> None:
        wishes = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        wishes.SessionExpiryInterval = session_s
        wishes.ReceiveMaximum = WINDOW
        wishes.MaximumPacketSize = 2 * MAX_FRAME
        host, port = self._broker.address
        try:
            if self._broker.tls is not None:
                self._client.tls_set_context(self._broker.tls.context())
            clean = not session_s
            self._client.connect(host, port, KEEPALIVE_S, clean_start=clean, properties=wishes)
        except TlsError as error:
            raise BrokerError(f"{self._address}: {error}") from error
        except ConnectionRefusedError as error:
            raise BrokerError(f"{self._address}: connection refused: does a broker listen there?") from error
        except OSError as error:
            raise BrokerError(f"{self._address}: {reason_of(error)}") from error

    def _await(self, claim: Callable[[], bool], what: str) -> None:
        """Wait as long as answers come."""
        deadline_s, waiting = time.monotonic() + ANSWER_S, len(self._unanswered)
        while not claim():
            self._loop(_STEP_S)
            if len(self._unanswered) < waiting:
                deadline_s, waiting = time.monotonic() + ANSWER_S, len(self._unanswered)
            if time.monotonic() >= deadline_s:
                raise BrokerError(f"{self._address}: no answer to {what}")

    def _loop(self, timeout_s: float) -> None:
        try:
            code = self._client.loop(timeout_s)
        except _MALFORMED as error:
            name = type(error).__name__
            raise BrokerError(f"{self._address}: broker sends what is no MQTT: {name}: {error}") from error
        if self._refusal:
            raise BrokerError(f"{self._address}: {self._refusal}")
        if code != MQTTErrorCode.MQTT_ERR_SUCCESS:
            trouble = self._trouble or error_string(code)
            raise BrokerError(f"{self._address}: {trouble}{'' if self._accepted else self._hint()}")

    def _hint(self) -> str:
        """Say what a broker may mean that hangs up on CONNECT; the reset of TCP overtakes its alert."""
        if self._broker.ca is None:
            return ": broker hung up on CONNECT: does it want TLS (ca)?"
        if self._broker.certificate is None:
            return ": broker hung up on CONNECT: does it want a certificate of ours (certificate, key)?"
        return ": broker hung up on CONNECT: does it accept our certificate? Is it revoked, or over?"

    def _listen(self) -> None:
        client = self._client
        client.on_connect = self._connected
        client.on_disconnect = self._disconnected
        client.on_subscribe = self._answered
        client.on_publish = self._published
        client.on_message = self._was_received
        client.on_log = self._logged

    def _connected(
        self, _client: Client, _data: object, _flags: object, code: ReasonCode, _properties: object
    ) -> None:
        if code.is_failure:
            self._refusal = f"broker refuses us: {code}: are user and password, or the certificate, right?"
        self._accepted = not code.is_failure

    def _disconnected(
        self, _client: Client, _data: object, _flags: object, code: ReasonCode, _properties: object
    ) -> None:
        if self._accepted and code.is_failure and not self._refusal and not self._trouble:
            # What paho says where the broker said nothing.
            self._refusal = "the connection is lost" if code.value == _UNSPECIFIED else f"broker says: {code}"

    def _answered(
        self, _client: Client, _data: object, mid: int, codes: list[ReasonCode], _properties: object
    ) -> None:
        asked = self._unanswered.pop(mid, "")
        refused = [str(code) for code in codes if code.is_failure]
        if refused:
            self._refusal = f"we may not {asked}: {refused[0]}"

    def _published(
        self, _client: Client, _data: object, mid: int, code: ReasonCode, _properties: object
    ) -> None:
        asked = self._unanswered.pop(mid, "")
        if code.is_failure:
            self._refusal = f"we may not {asked}: {code}"

    def _was_received(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        payload = bytes(message.payload)
        self._received.append(Message(message.topic, payload, message.retain, message.mid, message.qos))

    def _logged(self, _client: Client, _data: object, level: int, text: str) -> None:
        if level == LogLevel.MQTT_LOG_ERR and not text.startswith("Client is not connected"):
            self._trouble = without_source(text)
