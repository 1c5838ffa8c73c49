"""The connection to the broker: messages in, acknowledged only when they are stored.

    broker --QoS 1, at most WINDOW unacknowledged--> next(): what has come --> ingest
                                            '<-- settle(delivery) --'

All of it runs on the thread of who calls `next`: to hand each message from a thread of paho's to another
costs as much as to open and store it. While that one is busy the socket's buffer fills, and the broker waits.
The session outlives the connection: what comes while the cloud is away waits at the broker.
"""

import select
import ssl
import struct
import time
from collections.abc import Iterable, Sequence

import structlog
from paho.mqtt import MQTTException
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from cloud.clock import Clock
from cloud.config import Broker
from cloud.message import Delivery, Message
from cloud.tls import tls_context
from wire.packet import MAX_FRAME
from wire.topics import BIRTH_FILTER, STATE_FILTER, sem_filter, telemetry_filter

WINDOW = 1024  # messages that the broker may send ahead of our acknowledgements
SESSION_EXPIRY_S = 86_400
KEEPALIVE_S = 30
MAX_FRUITLESS = 2  # resumed sessions in turn that bring nothing
CONNECT_TIMEOUT_S = 5.0
_RETRY_S = (1.0, 30.0)  # the delay doubles between these
_CALLBACKS = ("connect", "disconnect", "subscribe", "message", "publish", "socket_register_write")
# What paho raises where it reads what no broker should send.
_MALFORMED = (
    MQTTException, struct.error, LookupError, ValueError, TypeError, AssertionError, RuntimeError,
)  # fmt: skip

log = structlog.get_logger()


class Subscription:
    """A connection that is tried again for ever. For one thread; `trouble` may be read by any."""

    def __init__(self, broker: Broker, clock: Clock, window: int = WINDOW) -> None:
        """Raise ConfigError for certificates that cannot be used."""
        host, port = broker.address
        self._clock = clock
        self._window = window
        self._received: list[Delivery] = []
        self._connection = 0
        self._trouble: str | None = "not connected yet"
        self._address = f"{host}:{port}"
        group = broker.group or None
        self._filters = (sem_filter(group), telemetry_filter(group), BIRTH_FILTER, STATE_FILTER)
        self._closing = self._refused = False
        self._resumed = self._heard = False  # of the present connection
        self._awaited = set[int]()  # numbers of what was sent
        self._answers = dict[int, str | None]()
        self._fruitless = 0  # sessions that were resumed and brought nothing, one after the other
        self._left = False  # the broker, by us: paho does not know
        self._retry_s = _RETRY_S[0]
        self._next_try_s = 0.0
        self._client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=broker.client,
            protocol=MQTTProtocolVersion.MQTTv5,
            manual_ack=True,
        )
        self._client.connect_timeout = CONNECT_TIMEOUT_S
        context = tls_context(broker)
        if context is not None:
            self._client.tls_set_context(context)

    @property
    def trouble(self) -> str | None:
        """Why nothing arrives at present; None when all is well."""
        return self._trouble

    def open(self) -> None:
        """Say how to connect; `next` does it. May be opened again after `close`."""
        self._closing = self._refused = False
        self._client.on_connect = self._connected
        self._client.on_disconnect = self._disconnected
        self._client.on_subscribe = self._subscribed
        self._client.on_message = self._receive
        self._client.on_publish = self._answered
        # paho would else send each acknowledgement at once, by itself.
        self._client.on_socket_register_write = _nothing
        self._aim()

    def _aim(self) -> None:
        """Say where and how to connect.

        Retained births come with every subscription. Where sessions that are resumed bring not even those,
        the broker has lost its way in them (rumqttd waits for receipts of what it never sends again). Then
        without a session: what is lost with it, devices send again.
        """
        host, port = self._address.rsplit(":", 1)
        wishes = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        wishes.SessionExpiryInterval = SESSION_EXPIRY_S
        wishes.ReceiveMaximum = self._window
        wishes.MaximumPacketSize = 2 * MAX_FRAME
        # No TopicAliasMaximum: paho does not resolve the aliases that a broker would then use.
        clean = self._fruitless >= MAX_FRUITLESS
        self._client.connect_async(host, int(port), KEEPALIVE_S, clean_start=clean, properties=wishes)

    def close(self) -> None:
        """Disconnect; what was not settled comes again."""
        self._closing = True
        self._client.disconnect()
        self._flush()
        # The callbacks are a cycle: with it, the socket waits for the garbage collector.
        for each in _CALLBACKS:
            setattr(self._client, f"on_{each}", None)

    def next(self, most: int, timeout_s: float) -> list[Delivery]:
        """Give up to `most` messages; waits up to `timeout_s` for the first, and for no other."""
        end_s = time.monotonic() + timeout_s
        while True:
            self._turn(max(0.0, end_s - time.monotonic()), most)
            if self._received or time.monotonic() >= end_s:
                break
        batch, self._received = self._received[:most], self._received[most:]
        return batch

    def idle(self, timeout_s: float) -> None:
        """Keep the connection while nothing can be stored; takes in no more than the window."""
        self._turn(timeout_s, self._window)

    def settle(self, deliveries: Sequence[Delivery]) -> None:
        """Tell the broker what is stored; on a newer connection it has sent it again anyway."""
        if self._trouble is None:
            for delivery in deliveries:
                if delivery.connection == self._connection:
                    self._client.ack(delivery.mid, delivery.qos)
            self._flush()

    def publish(self, topic: str, payload: bytes, *, retain: bool) -> bool:
        """Publish a message with QoS 1; False if there is no connection."""
        if self._trouble is not None:
            return False
        sent = self._client.publish(topic, payload, qos=1, retain=retain).rc == MQTTErrorCode.MQTT_ERR_SUCCESS
        self._flush()
        return sent

    def send(self, messages: Iterable[tuple[str, bytes]], content_type: str) -> list[int]:
        """Publish messages, topic and payload, with QoS 1, and give the numbers of their answers.

        Fewer than there are messages if the connection ends. What is not answered is sent again by itself on
        the next one, under its number.
        """
        kind = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        kind.ContentType, kind.PayloadFormatIndicator = content_type, 1
        numbers = list[int]()
        for topic, payload in messages:
            if self._trouble is not None:
                break
            sent = self._client.publish(topic, payload, qos=1, properties=kind)
            if sent.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
                break
            numbers.append(sent.mid)
        self._awaited.update(numbers)
        self._flush()
        return numbers

    def answers(self) -> dict[int, str | None]:
        """Give what was answered since the last time: numbers, and why the broker refused, if it did."""
        answers, self._answers = self._answers, {}
        return answers

    def _turn(self, timeout_s: float, most: int) -> None:
        """Connect if needed, wait for the socket, read what is there until there is enough."""
        if self._is_apart and not self._reconnect(timeout_s):
            return
        if len(self._received) < most:
            self._wait(timeout_s)
            idle = 0
            while idle < 2 and len(self._received) < most and not self._is_apart:
                before = len(self._received)
                self._read()
                idle = idle + 1 if len(self._received) == before else 0
        else:
            time.sleep(min(timeout_s, 0.1))
        if not self._left:
            self._flush()
            self._client.loop_misc()

    @property
    def _is_apart(self) -> bool:
        return self._left or self._client.socket() is None

    def _read(self) -> None:
        """Read what has come; a broker that sends what is no MQTT is left."""
        try:
            self._client.loop_read()
        except _MALFORMED as error:
            connection = self._client.socket()
            if connection is not None:
                connection.close()
            self._left = True
            self._lose(f"sends what is no MQTT: {error!r}")

    def _wait(self, timeout_s: float) -> None:
        connection = self._client.socket()
        if connection is None or (isinstance(connection, ssl.SSLSocket) and connection.pending()):
            return
        writers = [connection] if self._client.want_write() else []
        select.select([connection], writers, [], 0 if self._received else timeout_s)

    def _flush(self) -> None:
        """Send what waits to be sent, as far as the socket takes it now."""
        if self._client.want_write():
            self._client.loop_write()

    def _reconnect(self, timeout_s: float) -> bool:
        """Try to connect, if it is time; else wait a little."""
        pause_s = self._next_try_s - time.monotonic()
        if pause_s > 0:
            time.sleep(min(pause_s, timeout_s, 0.2))
            return False
        self._refused = False
        self._next_try_s = time.monotonic() + self._retry_s
        self._retry_s = min(2 * self._retry_s, _RETRY_S[1])
        try:
            self._aim()
            self._client.reconnect()
            self._left = False
        except (OSError, ValueError) as error:  # ValueError: a host name that none can be
            self._trouble = f"broker {self._address} cannot be reached: {error}"
            log.warning("broker cannot be reached", broker=self._address, error=str(error))
            return False
        return True

    def _connected(
        self, client: Client, _data: object, flags: ConnectFlags, reason: ReasonCode, _properties: object
    ) -> None:
        if reason.is_failure:
            self._refused = True
            self._trouble = f"broker {self._address} refused: {reason}"
            log.warning("broker refused", broker=self._address, reason=str(reason))
            return
        self._retry_s = _RETRY_S[0]
        self._resumed, self._heard = flags.session_present, False
        if not flags.session_present:
            self._fruitless = 0
        client.subscribe([(topic, SubscribeOptions(qos=1)) for topic in self._filters])
        log.info("connected", broker=self._address, resumed=flags.session_present)

    def _subscribed(
        self, _client: Client, _data: object, _mid: int, reasons: list[ReasonCode], _properties: object
    ) -> None:
        refused = [
            f"{topic}: {why}" for topic, why in zip(self._filters, reasons, strict=False) if why.is_failure
        ]
        self._trouble = f"broker {self._address} refused {', '.join(refused)}" if refused else None
        if refused:
            log.error("subscription refused", broker=self._address, refused=refused)

    def _disconnected(
        self,
        _client: Client,
        _data: object,
        _flags: DisconnectFlags,
        reason: ReasonCode,
        _properties: object,
    ) -> None:
        self._lose(f"went away: {reason}")

    def _lose(self, reason: str) -> None:
        """Note that a connection is over."""
        self._connection += 1
        if self._resumed:
            self._fruitless = 0 if self._heard else self._fruitless + 1
            self._resumed = False
        if not self._closing and not self._refused:
            self._trouble = f"broker {self._address} {reason}"
            log.warning("connection is over", broker=self._address, reason=reason)

    def _answered(
        self, _client: Client, _data: object, mid: int, reason: ReasonCode, _properties: object
    ) -> None:
        if mid in self._awaited:
            self._awaited.remove(mid)
            self._answers[mid] = str(reason) if reason.is_failure else None

    def _receive(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self._heard = True
        content = Message(message.topic, bytes(message.payload), self._clock(), message.retain)
        self._received.append(Delivery(content, message.mid, message.qos, self._connection))


def _nothing(_client: Client, _data: object, _socket: object) -> None:
    return
