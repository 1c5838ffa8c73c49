"""A client of a real broker that does as it likes: it publishes, subscribes, and remembers what it heard."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from tests.pki import Credentials

_PATIENCE_S = 60.0


@dataclass(frozen=True)
class Will:
    """What the broker says in this party's name when it is gone."""

    topic: str
    payload: bytes


@dataclass(frozen=True)
class Heard:
    """A message that came."""

    topic: str
    payload: bytes


class Party:
    """Connects once, in a thread of paho's; what it waits for comes within seconds or is a failed test."""

    def __init__(
        self,
        port: int,
        ca: Path | None = None,
        credentials: Credentials | None = None,
        *,
        client_id: str = "",
        user: str | None = None,
        will: Will | None = None,
        session_s: int = 0,
    ) -> None:
        """Name the broker on this machine; with `ca` over TLS, with `credentials` as somebody.

        With `session_s`, go on where the last connection under this client id ended, up to so long ago.
        """
        self._port = port
        self._session_s = session_s
        self._changed = threading.Condition()
        self._verdict: str | None = None
        self._gone = False
        self._heard: list[Heard] = []
        self._answers: dict[int, bool] = {}
        self._client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
        )
        if ca is not None:
            files = (str(credentials.certificate), str(credentials.key)) if credentials else (None, None)
            self._client.tls_set(str(ca), *files)
        if user is not None:
            self._client.username_pw_set(user)
        if will is not None:
            self._client.will_set(will.topic, will.payload, qos=1)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.on_publish = self._on_publish
        self._client.on_subscribe = self._on_subscribe

    @property
    def heard(self) -> list[Heard]:
        with self._changed:
            return list(self._heard)

    @property
    def gone(self) -> bool:
        with self._changed:
            return self._gone

    def connect(self) -> str:
        """Try once: `Success`, or why not."""
        try:
            self._client.connect(
                "127.0.0.1", self._port, clean_start=not self._session_s, properties=self._wishes()
            )
        except (ssl.SSLError, OSError) as error:
            return str(error)
        self._client.loop_start()
        self._wait(lambda: self._verdict is not None or self._gone)
        return self._verdict or "hung up before it answered"

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> bool:
        """Publish and wait for the receipt: False if it is a refusal, or if the broker hangs up instead."""
        info = self._client.publish(topic, payload, qos=1, retain=retain)
        self._wait(lambda: info.mid in self._answers or self._gone)
        return self._answers.get(info.mid, False)

    def publish_all(self, messages: Iterable[Heard]) -> None:
        """Publish many, and wait for all receipts, whatever they say."""
        mids = [self._client.publish(each.topic, each.payload, qos=1).mid for each in messages]
        self._wait(lambda: self._gone or all(mid in self._answers for mid in mids[-64:]))

    def subscribe(self, *filters: str) -> None:
        """Ask for topics and wait for the answer. Mosquitto allows all, and filters later."""
        _, mid = self._client.subscribe([(each, SubscribeOptions(qos=1)) for each in filters])
        assert mid is not None
        self._wait(lambda: mid in self._answers)

    def wait_for(self, topic: str, payload: bytes) -> None:
        """Wait until this was heard."""
        self._wait(lambda: Heard(topic, payload) in self._heard)

    def wait_for_any(self, topic: str) -> None:
        """Wait until something was heard under this topic."""
        self._wait(lambda: topic in [heard.topic for heard in self._heard])

    def vanish(self) -> None:
        """Be gone without a goodbye, as after a power cut."""
        connection = self._client.socket()
        assert isinstance(connection, socket.socket)
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        self._wait(lambda: self._gone)

    def close(self) -> None:
        """Disconnect, and let go of everything."""
        self._client.disconnect()
        self._client.loop_stop()
        # The callbacks are a cycle: with it, the wake-up sockets of paho wait for the garbage collector.
        for each in ("on_connect", "on_disconnect", "on_message", "on_publish", "on_subscribe"):
            setattr(self._client, each, None)

    def _wishes(self) -> Properties:
        wishes = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        wishes.SessionExpiryInterval = self._session_s
        return wishes

    def _wait(self, claim: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(claim, _PATIENCE_S), f"waited in vain; heard {self._heard}"

    def _on_connect(self, _c: Client, _d: object, _f: ConnectFlags, reason: ReasonCode, _p: object) -> None:
        with self._changed:
            self._verdict = str(reason)
            self._changed.notify_all()

    def _on_disconnect(
        self, _c: Client, _d: object, _f: DisconnectFlags, _reason: ReasonCode, _p: object
    ) -> None:
        with self._changed:
            self._gone = True
            self._changed.notify_all()

    def _on_message(self, _c: Client, _d: object, message: MQTTMessage) -> None:
        with self._changed:
            self._heard.append(Heard(message.topic, bytes(message.payload)))
            self._changed.notify_all()

    def _on_publish(self, _c: Client, _d: object, mid: int, reason: ReasonCode, _p: object) -> None:
        with self._changed:
            self._answers[mid] = not reason.is_failure
            self._changed.notify_all()

    def _on_subscribe(self, _c: Client, _d: object, mid: int, _reasons: list[ReasonCode], _p: object) -> None:
        with self._changed:
            self._answers[mid] = True
            self._changed.notify_all()


@contextmanager
def admitted(party: Party, *filters: str) -> Iterator[Party]:
    """Connect a party that the broker lets in, with subscriptions."""
    try:
        assert party.connect() == "Success"
        if filters:
            party.subscribe(*filters)
        yield party
    finally:
        party.close()
