"""Devices that are told to update over a real broker; what they answer is that of the hand-fed ones."""

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import TracebackType

from paho.mqtt.client import Client, MQTTMessage

from cloud.message import Outcome
from cloud.store import Store
from tests.cloud.peer import Peer, connected
from tests.cloud.rollouts.updating import Grounds, Updating
from tests.cloud.sealed import SealedDesk
from wire import documents
from wire.bundle import Bundle


class Airwaves(SealedDesk):
    """Enrols devices in a store; what they send goes to the broker."""

    def __init__(self, store: Store, bundle: Bundle, peer: Peer) -> None:
        super().__init__(store, bundle)
        self._peer = peer

    def deliver(self, topic: str, payload: bytes, at_ms: int = 0) -> Outcome:
        del at_ms
        self._peer.client.publish(topic, payload, qos=1, retain=topic.endswith(("birth", "state")))
        return Outcome.STORED


@dataclass
class Radio:
    """Devices at a broker, for as long as the body of `with` lasts."""

    port: int
    store: Store
    bundle: Bundle
    devices: dict[str, Updating]
    _open: AbstractContextManager[Peer] = field(init=False)

    def __enter__(self) -> Grounds:
        self._open = connected(self.port, "devices")
        peer = self._open.__enter__()
        self._grounds = Grounds(Airwaves(self.store, self.bundle, peer), self.devices)
        peer.client.on_message = self._hear
        peer.client.subscribe("mirage/v1/+/+/+/cmd/+", qos=1)
        return self._grounds

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)

    def _hear(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        device = next(
            each for each in self.devices.values() if message.topic.startswith(f"{each.topics.root}/")
        )
        if device.is_here:
            command = documents.decode_command(device.opened(bytes(message.payload), message.topic))
            self._grounds.answers(device, message.topic.rpartition("/")[2], command)
