"""One MQTT 5 connection, from CONNECT to its end.

A lost connection is replaced by a new object and never revived: topic aliases and unacknowledged
messages die with it. paho would send both again, and a broker that does not know the alias hangs up,
for ever. What was not acknowledged is in the spool anyway.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

KEEPALIVE_S = 60
CONNECT_TIMEOUT_S = 5.0
WINDOW = 20  # messages that may wait for their PUBACK, unless the broker allows fewer
_ACCEPTED = 0x80  # reason codes below are successes


class LinkError(ConnectionError):
    """The broker is not there, refused, or went away; the message says which."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the broker listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Message:
    """What is published under a topic, at QoS 1."""

    topic: str
    payload: bytes
    retain: bool = False


class Link:
    """Not for two threads. Nothing happens outside `step`, which everything else waits for.

    `on_message` gets the payload of whatever comes under the topic given to `subscribe`.
    """

    def __init__(
        self, address: Address, client_id: str, will: Message | None, on_message: Callable[[bytes], None]
    ) -> None:
        """Connect and wait until the broker accepts, or raise LinkError."""
        self._address = address
        self._on_message = on_message
        self._refusal = ""
        self._accepted = False
        self._aliases: dict[str, int] = {}
        self._alias_limit = 0
        self._unacknowledged = set[int]()
        self.window = WINDOW
        self.subscribed = False
        self._client = self._new_client(client_id, will)
        try:
            # No TopicAliasMaximum here: paho does not resolve aliases of the broker.
            self._client.connect(address.host, address.port, keepalive=KEEPALIVE_S, clean_start=True)
        except OSError as error:
            raise LinkError(f"{address}: {error.strerror or error}") from error
        try:
            self._await_acceptance()
        except LinkError:
            self.drop()
            raise

    @property
    def in_flight(self) -> int:
        return len(self._unacknowledged)

    def step(self, timeout_s: float) -> None:
        """Read and write for up to `timeout_s`, or raise LinkError once the connection is gone."""
        code = self._client.loop(timeout_s)
        if self._refusal:
            raise LinkError(f"{self._address}: broker says: {self._refusal}")
        if code != mqtt.MQTT_ERR_SUCCESS:
            raise LinkError(f"{self._address}: {mqtt.error_string(code)}")

    def subscribe(self, topic: str) -> None:
        """Ask for a topic at QoS 1; `subscribed` turns true when the broker has answered."""
        self._client.subscribe(topic, options=SubscribeOptions(qos=1))

    def publish(self, message: Message) -> None:
        """Send at QoS 1. A topic that is not retained goes by its alias from the second time on."""
        topic, properties = message.topic, None
        if not message.retain and (message.topic in self._aliases or len(self._aliases) < self._alias_limit):
            known = message.topic in self._aliases
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.TopicAlias = self._aliases.setdefault(message.topic, len(self._aliases) + 1)
            topic = "" if known else message.topic
        info = self._client.publish(topic, message.payload, 1, message.retain, properties)
        if info.rc != mqtt.MQTT_ERR_SUCCESS:
            raise LinkError(f"{self._address}: {mqtt.error_string(info.rc)}")
        self._unacknowledged.add(info.mid)

    def close(self) -> None:
        """Say goodbye, so that the broker does not publish the will."""
        self._client.disconnect()

    def drop(self) -> None:
        """Let go of the connection and of all its sockets."""
        connection = self._client.socket()
        if connection is not None:
            connection.close()
        # The callbacks are a cycle: with it, the wake-up sockets of paho wait for the garbage collector.
        for each in ("on_connect", "on_disconnect", "on_subscribe", "on_publish", "on_message"):
            setattr(self._client, each, None)

    def _await_acceptance(self) -> None:
        deadline_s = time.monotonic() + CONNECT_TIMEOUT_S
        while not self._accepted:
            self.step(0.1)
            if time.monotonic() >= deadline_s:
                raise LinkError(f"{self._address}: no answer to CONNECT: is it an MQTT 5 broker?")

    def _new_client(self, client_id: str, will: Message | None) -> mqtt.Client:
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id, protocol=mqtt.MQTTv5)
        client.connect_timeout = CONNECT_TIMEOUT_S
        if will is not None:
            client.will_set(will.topic, will.payload, qos=1, retain=will.retain)
        client.on_connect = self._connected
        client.on_disconnect = self._disconnected
        client.on_subscribe = self._was_subscribed
        client.on_publish = self._was_published
        client.on_message = self._received
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
        self._alias_limit = getattr(properties, "TopicAliasMaximum", 0)
        self.window = min(WINDOW, getattr(properties, "ReceiveMaximum", WINDOW))

    def _disconnected(
        self, _client: mqtt.Client, _data: object, _flags: object, code: ReasonCode, _properties: object
    ) -> None:
        if self._accepted and code.is_failure and not self._refusal:
            self._refusal = str(code)

    def _was_subscribed(
        self, _client: mqtt.Client, _data: object, _mid: int, _codes: object, _properties: object
    ) -> None:
        self.subscribed = True

    def _was_published(
        self, _client: mqtt.Client, _data: object, mid: int, code: ReasonCode, _properties: object
    ) -> None:
        self._unacknowledged.discard(mid)
        if code.value >= _ACCEPTED:
            self._refusal = f"message not accepted: {code}"

    def _received(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        self._on_message(bytes(message.payload))
