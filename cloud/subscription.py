"""The connection to the broker: messages in, acknowledged only when they are stored.

    broker --QoS 1, at most WINDOW unacknowledged--> Subscription --bounded queue--> ingest
                                            '<-- settle(delivery) --'

The session outlives the connection: what comes while the cloud is away waits at the broker.
"""

import contextlib
import queue
import threading
from dataclasses import dataclass

import structlog
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from cloud.clock import Clock
from cloud.config import Broker
from cloud.inbox import Message
from wire.packet import MAX_FRAME
from wire.topics import BIRTH_FILTER, STATE_FILTER, sem_filter

WINDOW = 256  # messages that the broker may send ahead of our acknowledgements
SESSION_EXPIRY_S = 86_400
KEEPALIVE_S = 30
_RETRY_S = (1, 30)  # paho doubles the delay between these

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message and what it takes to acknowledge it: packet id, QoS, and the connection it came on."""

    message: Message
    mid: int
    qos: int
    connection: int


class Subscription:
    """A connection that is tried again for ever. `next` and `settle` are for one thread.

    When the queue is full the network thread waits, so the broker does; with a broker that honours
    Receive Maximum it never is.
    """

    def __init__(self, broker: Broker, clock: Clock) -> None:
        self._broker = broker
        self._clock = clock
        self._queue: queue.Queue[Delivery] = queue.Queue(2 * WINDOW)
        self._stopping = threading.Event()
        self._connection = 0
        self._trouble: str | None = "not connected yet"
        self._address = f"{broker.host}:{broker.port}"
        self._filters = (sem_filter(broker.group or None), BIRTH_FILTER, STATE_FILTER)
        self._client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=broker.client,
            protocol=MQTTProtocolVersion.MQTTv5,
            manual_ack=True,
        )
        self._client.reconnect_delay_set(*_RETRY_S)
        self._client.on_connect = self._connected
        self._client.on_connect_fail = self._unreachable
        self._client.on_disconnect = self._disconnected
        self._client.on_subscribe = self._subscribed
        self._client.on_message = self._received

    @property
    def trouble(self) -> str | None:
        """Why nothing arrives at present; None when all is well."""
        return self._trouble

    def open(self) -> None:
        """Begin to connect, in a thread of paho's."""
        wishes = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        wishes.SessionExpiryInterval = SESSION_EXPIRY_S
        wishes.ReceiveMaximum = WINDOW
        wishes.MaximumPacketSize = 2 * MAX_FRAME
        # No TopicAliasMaximum: paho does not resolve the aliases that a broker would then use.
        self._client.connect_async(
            self._broker.host, self._broker.port, KEEPALIVE_S, clean_start=False, properties=wishes
        )
        self._client.loop_start()

    def close(self) -> None:
        """Disconnect; what was not settled comes again."""
        self._stopping.set()
        self._client.disconnect()
        self._client.loop_stop()
        # The callbacks are a cycle: with it, the wake-up sockets of paho wait for the garbage collector.
        for each in ("on_connect", "on_connect_fail", "on_disconnect", "on_subscribe", "on_message"):
            setattr(self._client, each, None)

    def next(self, most: int, timeout_s: float) -> list[Delivery]:
        """Give up to `most` messages; none if `timeout_s` passes without one."""
        batch: list[Delivery] = []
        with contextlib.suppress(queue.Empty):
            batch.append(self._queue.get(timeout=timeout_s))
            while len(batch) < most:
                batch.append(self._queue.get_nowait())
        return batch

    def settle(self, delivery: Delivery) -> None:
        """Tell the broker that a message is stored; on a newer connection it has sent it again anyway."""
        if delivery.connection == self._connection and self._trouble is None:
            self._client.ack(delivery.mid, delivery.qos)

    def publish(self, topic: str, payload: bytes) -> bool:
        """Publish a retained message; False if there is no connection."""
        if self._trouble is not None:
            return False
        return self._client.publish(topic, payload, qos=1, retain=True).rc == MQTTErrorCode.MQTT_ERR_SUCCESS

    def _connected(
        self, client: Client, _data: object, flags: ConnectFlags, reason: ReasonCode, _properties: object
    ) -> None:
        if reason.is_failure:
            self._trouble = f"broker {self._address} refused: {reason}"
            log.warning("broker refused", broker=self._address, reason=str(reason))
            return
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

    def _unreachable(self, _client: Client, _data: object) -> None:
        self._trouble = f"broker {self._address} cannot be reached"
        log.warning("broker cannot be reached", broker=self._address)

    def _disconnected(
        self,
        _client: Client,
        _data: object,
        _flags: DisconnectFlags,
        reason: ReasonCode,
        _properties: object,
    ) -> None:
        self._connection += 1
        if not self._stopping.is_set():
            self._trouble = f"broker {self._address} went away: {reason}"
            log.warning("broker went away", broker=self._address, reason=str(reason))

    def _received(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        content = Message(message.topic, bytes(message.payload), self._clock())
        delivery = Delivery(content, message.mid, message.qos, self._connection)
        while not self._stopping.is_set():
            with contextlib.suppress(queue.Full):
                self._queue.put(delivery, timeout=0.2)
                return
