"""Says again what was said before: births and states, retained or not, as a broker or a passer-by may."""

import random
import threading

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.subscribeoptions import SubscribeOptions

from mirage.bench.chaos.settings import TOPICS

_MOST = 256  # messages that are remembered, the oldest go


class Replayer:
    """Listens at the broker, and repeats. Runs on a thread of paho's."""

    def __init__(self, port: int, seed: int, *, old_births: bool) -> None:
        """Without `old_births` only the newest birth is repeated: one that is not signed takes its effect."""
        self._chance = random.Random(seed)  # noqa: S311 -- replayed by its seed, guards nothing
        self._old_births = old_births
        self._lock = threading.Lock()
        self._births = list[bytes]()
        self._states = list[bytes]()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, "replayer", protocol=mqtt.MQTTv5)
        self._client.reconnect_delay_set(1, 2)
        self._client.on_connect = self._connected
        self._client.on_message = self._received
        self._client.connect_async("127.0.0.1", port, 5)
        self._client.loop_start()

    def replay(self) -> bool:
        """Repeat some messages; False where there is nothing to repeat, or nobody to tell."""
        with self._lock:
            births = self._births if self._old_births else self._births[-1:]
            known = [(TOPICS.birth, each) for each in births] + [
                (TOPICS.state, each) for each in self._states
            ]
        if not known or not self._client.is_connected():
            return False
        for _ in range(self._chance.randint(1, 4)):
            topic, payload = self._chance.choice(known)
            self._client.publish(topic, payload, qos=1, retain=self._chance.random() < 0.5)
        return True

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        self._client.on_connect = self._client.on_message = None  # a cycle, which would keep sockets open

    def _connected(self, client: mqtt.Client, *_: object) -> None:
        for topic in (TOPICS.birth, TOPICS.state):
            client.subscribe(topic, options=SubscribeOptions(qos=1))

    def _received(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        known = self._births if message.topic == TOPICS.birth else self._states
        payload = bytes(message.payload)
        with self._lock:
            if payload in known:
                return
            known.append(payload)
            del known[:-_MOST]
