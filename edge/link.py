"""One MQTT 5 connection, from CONNECT to its end.

A lost connection is replaced by a new object and never revived: topic aliases and unacknowledged
messages die with it. paho would send both again, and a broker that does not know the alias hangs up,
for ever. So there is no need for its `drop_out_messages()`: a new client has none. What was not
acknowledged is in the spool anyway.

    half-open TCP   a PUBACK that does not come in `answer_s`, or a PINGRESP in the keepalive, ends it
"""

import socket
import struct
import time
from collections.abc import Callable

import paho.mqtt.client as mqtt
from paho.mqtt import MQTTException
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge.address import Address
from edge.aliases import Aliases
from edge.links import Ends
from edge.message import Message, Refusal
from edge.tls import TlsError, reason_of, without_source
from edge.transport import Carried, carried_by, give_up_after
from wire import documents

WINDOW = 20  # messages that may wait for their PUBACK, unless the broker allows fewer
_FAILED = 0x80  # reason codes from here on are failures
_TOO_LARGE = 0x95
_MOST_BYTES = documents.MAX_DOCUMENT + 1024  # of a packet from the broker
_STEP_S = 0.1
_ERROR = mqtt.MQTT_LOG_ERR
# What paho raises where it reads what no broker should send.
_MALFORMED = (
    MQTTException, struct.error, LookupError, ValueError, TypeError, AssertionError, RuntimeError,
)  # fmt: skip


class LinkError(ConnectionError):
    """The broker is not there, refused, or went away; the message says which."""


class UnreachableError(LinkError):
    """There was no connection, so that nothing of MQTT was sent."""


class Link:
    """Not for two threads. Nothing happens outside `step`, which everything else waits for.

    `on_message` gets topic and payload of whatever comes under the topics given to `subscribe`.
    """

    def __init__(
        self,
        address: Address,
        client_id: str,
        will: Message | None,
        on_message: Callable[[str, bytes], None],
    ) -> None:
        """Connect and wait until the broker accepts, or raise LinkError."""
        self._address = address
        self._on_message = on_message
        self._refusal = ""
        self._trouble = ""  # what paho logged last
        self._accepted = False
        self._aliases = Aliases()
        self._size_limit = 0  # of a packet, as the broker says; 0 for none
        self._in_flight: dict[int, Message] = {}
        self._subscribing = set[int]()
        self._refused: list[Refusal] = []
        self._received: list[Message] = []
        self._heard_s = time.monotonic()  # when an answer came last, or the first was waited for
        self.window = WINDOW
        self.published = self.confirmed = 0  # at QoS 1; brokers acknowledge in the order of publication
        self.carried: Carried | None = None  # by TCP, as far as the kernel tells; also after the end
        self._client = self._new_client(client_id, will)
        self._connect()
        try:
            self._await_acceptance()
        except LinkError:
            self.drop()
            raise

    @property
    def in_flight(self) -> int:
        return len(self._in_flight)

    @property
    def room(self) -> int:
        """How many messages may go now. At QoS 0 nothing is waited for but the network itself."""
        return 0 if self._client.want_write() else self.window - self.in_flight

    @property
    def ends(self) -> Ends | None:
        """Where it goes from and to; None once it is gone."""
        connection = self._client.socket()
        return Ends.of(connection) if isinstance(connection, socket.socket) else None

    @property
    def subscribed(self) -> bool:
        """Whether the broker has answered every `subscribe`."""
        return not self._subscribing

    def fileno(self) -> int:
        """Give the socket's descriptor, for whoever waits for many links at once; -1 without one."""
        connection = self._client.socket()
        return -1 if connection is None else connection.fileno()

    def step(self, timeout_s: float) -> None:
        """Read and write for up to `timeout_s`, or raise LinkError once the connection is gone."""
        try:
            code = self._client.loop(timeout_s)
        except _MALFORMED as error:
            name = type(error).__name__
            raise LinkError(f"{self._address}: broker sends what is no MQTT: {name}: {error}") from error
        self._look()
        received, self._received = self._received, []
        for message in received:
            self._on_message(message.topic, message.payload)
        if self._refusal:
            raise LinkError(f"{self._address}: broker says: {self._refusal}")
        if code != mqtt.MQTT_ERR_SUCCESS:
            trouble = self._trouble or mqtt.error_string(code)
            if not self._accepted:
                trouble = self._no_acceptance(trouble)
            raise LinkError(f"{self._address}: {trouble}")
        silent_s = time.monotonic() - self._heard_s
        if (self._in_flight or self._subscribing) and silent_s >= self._address.answer_s:
            raise LinkError(f"{self._address}: broker has acknowledged nothing for {silent_s:.0f} s")

    def subscribe(self, *topics: str) -> None:
        """Ask for topics at QoS 1; `subscribed` turns true when the broker has answered."""
        self._await_answer()
        code, mid = self._client.subscribe([(topic, SubscribeOptions(qos=1)) for topic in topics])
        if code != mqtt.MQTT_ERR_SUCCESS or mid is None:
            raise LinkError(f"{self._address}: {mqtt.error_string(code)}")
        self._subscribing.add(mid)

    def publish(self, message: Message) -> int:
        """Send, and give the size of the MQTT packet in bytes. Raises LinkError for one that is too large.

        A topic that is not retained goes by its alias from the second time on. Where the window is full,
        waits for a PUBACK: more would be a protocol error.
        """
        while message.qos and self.in_flight >= self.window:
            self.step(_STEP_S)
        size = self.size_of(message)
        if not self.takes(message):
            raise LinkError(
                f"{self._address}: {message.topic} is {size} bytes, broker takes {self._size_limit}"
            )
        topic, properties = self._aliases.address(message)
        if message.qos:
            self._await_answer()
        info = self._client.publish(topic, message.payload, message.qos, message.retain, properties)
        if info.rc != mqtt.MQTT_ERR_SUCCESS:
            raise LinkError(f"{self._address}: {mqtt.error_string(info.rc)}")
        if message.qos:
            self.published += 1
            self._in_flight[info.mid] = message
        self._look()
        return size

    def takes(self, message: Message) -> bool:
        """Tell whether the broker takes packets of this size."""
        return not self._size_limit or self.size_of(message) <= self._size_limit

    def size_of(self, message: Message) -> int:
        """Count the bytes of the PUBLISH packet that `publish` would send now."""
        return self._aliases.size_of(message)

    def take_refused(self) -> list[Refusal]:
        """Give what the broker refused since the last time."""
        refused, self._refused = self._refused, []
        return refused

    def close(self) -> None:
        """Say goodbye, so that the broker does not publish the will."""
        self._client.disconnect()

    def drop(self) -> None:
        """Let go of the connection and of all its sockets."""
        self._look()
        connection = self._client.socket()
        if connection is not None:
            connection.close()
        # The callbacks are a cycle: with it, the wake-up sockets of paho wait for the garbage collector.
        for each in ("on_connect", "on_disconnect", "on_subscribe", "on_publish", "on_message", "on_log"):
            setattr(self._client, each, None)

    def _look(self) -> None:
        connection = self._client.socket()
        if isinstance(connection, socket.socket):
            self.carried = carried_by(connection) or self.carried

    def _connect(self) -> None:
        address = self._address
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.MaximumPacketSize = _MOST_BYTES
        # No TopicAliasMaximum here: paho does not resolve aliases of the broker.
        try:
            if address.tls is not None:
                self._client.tls_set_context(address.tls.context())
            self._client.connect(
                address.host, address.port, address.keepalive_s, clean_start=True, properties=properties
            )
        except TlsError as error:
            raise UnreachableError(f"{address}: {error}") from error
        except OSError as error:
            self.drop()
            raise UnreachableError(f"{address}: {reason_of(error)}") from error
        connection = self._client.socket()
        if isinstance(connection, socket.socket):
            give_up_after(connection, address.answer_s)

    def _await_acceptance(self) -> None:
        deadline_s = time.monotonic() + self._address.connect_s
        while not self._accepted:
            self.step(_STEP_S)
            if time.monotonic() >= deadline_s:
                raise LinkError(f"{self._address}: no answer to CONNECT: is it an MQTT 5 broker?")

    def _no_acceptance(self, trouble: str) -> str:
        """Say what a broker may mean that hangs up: its alert, if any, is overtaken by the reset of TCP."""
        hint = "" if self._address.tls is None else ": does it accept the certificate of this device?"
        return f"broker hung up on CONNECT: {trouble}{hint}"

    def _await_answer(self) -> None:
        if not self._in_flight and not self._subscribing:
            self._heard_s = time.monotonic()

    def _new_client(self, client_id: str, will: Message | None) -> mqtt.Client:
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id, protocol=mqtt.MQTTv5)
        client.connect_timeout = self._address.connect_s
        if will is not None:
            client.will_set(will.topic, will.payload, qos=1, retain=will.retain)
        client.on_connect = self._connected
        client.on_disconnect = self._disconnected
        client.on_subscribe = self._was_subscribed
        client.on_publish = self._was_published
        client.on_message = self._was_received
        client.on_log = self._logged
        return client

    def _connected(
        self,
        _client: mqtt.Client,
        _data: object,
        _flags: object,
        code: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if code.is_failure:
            self._refusal = str(code)
            return
        self._accepted = True
        self._aliases.limit = getattr(properties, "TopicAliasMaximum", 0)
        self._size_limit = getattr(properties, "MaximumPacketSize", 0)
        self.window = min(WINDOW, getattr(properties, "ReceiveMaximum", WINDOW))

    def _disconnected(
        self, _client: mqtt.Client, _data: object, _flags: object, code: ReasonCode, _properties: object
    ) -> None:
        if self._accepted and code.is_failure and not self._refusal and not self._trouble:
            self._refusal = str(code)
        if code.value == _TOO_LARGE and self._in_flight:
            largest = max(self._in_flight.values(), key=lambda message: len(message.payload))
            self._refused.append(Refusal(largest, str(code), too_large=True))

    def _was_subscribed(
        self, _client: mqtt.Client, _data: object, mid: int, _codes: object, _properties: object
    ) -> None:
        self._heard_s = time.monotonic()
        self._subscribing.discard(mid)

    def _was_published(
        self, _client: mqtt.Client, _data: object, mid: int, code: ReasonCode, _properties: object
    ) -> None:
        self._heard_s = time.monotonic()
        self.confirmed += 1
        message = self._in_flight.pop(mid, None)
        if message is not None and code.value >= _FAILED:
            self._refused.append(Refusal(message, str(code), too_large=code.value == _TOO_LARGE))

    def _was_received(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        self._received.append(Message(message.topic, bytes(message.payload)))

    def _logged(self, _client: mqtt.Client, _data: object, level: int, text: str) -> None:
        if level == _ERROR and not text.startswith("Client is not connected"):  # which says no more
            self._trouble = without_source(text)
