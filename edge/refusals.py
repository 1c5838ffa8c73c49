"""What a broker does not take. It waits in the spool: a broker's word is not enough to throw it away."""

import structlog

from edge.link import Link, LinkError
from edge.message import Message
from edge.stock import Spooled

log = structlog.get_logger()


class Refusals:
    """Of one uplink: others pass what has to wait. Without the topics that are `needed` nothing works."""

    def __init__(self, broker: str, needed: frozenset[str]) -> None:
        self._broker = broker
        self._needed = needed
        self._topics = set[str]()  # on this connection
        self._positions = set[int]()  # in the spool

    def connect(self) -> None:
        """Begin a connection, on which the broker may think better of it."""
        self._topics.clear()

    def holds(self, topic: str, item: Spooled) -> bool:
        """Tell whether an item has to wait."""
        return topic in self._topics or item.position in self._positions

    def skip(self, message: Message, reason: str) -> None:
        """Let others pass a message."""
        self._positions.add(message.position)
        log.error("packet is too large: it waits", topic=message.topic, reason=reason)

    def heed(self, link: Link) -> None:
        """Take what the broker has refused since the last time, or raise LinkError where nothing works."""
        for refusal in link.take_refused():
            topic = refusal.message.topic
            if topic in self._needed:
                raise LinkError(f"{self._broker}: broker refuses {topic}: {refusal.reason}: enrolled?")
            if refusal.too_large and refusal.message.position:
                self.skip(refusal.message, refusal.reason)
            elif topic not in self._topics:
                self._topics.add(topic)  # the others go on; a camera's packets wait
                log.error("broker refuses a topic: is it enrolled?", topic=topic, reason=refusal.reason)
