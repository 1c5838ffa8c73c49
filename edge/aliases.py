"""Topic aliases of a connection: a topic that is not retained goes by a number from the second time on."""

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge.message import Message


class Aliases:
    """`limit` is how many the broker takes, as it says when it accepts the connection."""

    def __init__(self) -> None:
        self.limit = 0
        self._numbers: dict[str, int] = {}

    def size_of(self, message: Message) -> int:
        """Count the bytes of the PUBLISH packet that would be sent now."""
        alias = self._has(message)
        topic = 0 if alias and message.topic in self._numbers else len(message.topic.encode())
        rest = 2 + topic + (2 if message.qos else 0) + (4 if alias else 1) + len(message.payload)
        return 1 + max((rest.bit_length() + 6) // 7, 1) + rest

    def address(self, message: Message) -> tuple[str, Properties | None]:
        """Give the topic as it is to be sent, and the properties that go with it."""
        if not self._has(message):
            return message.topic, None
        known = message.topic in self._numbers
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.TopicAlias = self._numbers.setdefault(message.topic, len(self._numbers) + 1)
        return "" if known else message.topic, properties

    def _has(self, message: Message) -> bool:
        if message.retain:
            return False
        return message.topic in self._numbers or len(self._numbers) < self.limit
