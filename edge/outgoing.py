"""What becomes of one item of the spool when its turn comes.

    refused before, or not for this link    passed by: it waits in the spool, the others go on
    more than the budget ever holds         passed by, and said
    more than the budget holds now          waits, and all behind it
    else                                    marked, sealed, published

What cannot be read as a packet is given up: whoever wrote it, it must not hold the others up.
"""

import time
from dataclasses import dataclass

import structlog

from edge.allowance import Purpose
from edge.books import Books
from edge.budget import Budget
from edge.feed import Feed, marked
from edge.link import Link
from edge.links import Links
from edge.message import FRAME_BYTES, RECEIPT_BYTES, Message, packet_bill
from edge.refusals import Refusals
from edge.session import Session
from edge.spool import Spool
from edge.stock import Spooled
from wire.packet import PacketError
from wire.topics import DeviceTopics

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Sends the items of one uplink, in its thread."""

    topics: DeviceTopics
    spool: Spool
    session: Session
    feed: Feed
    links: Links
    books: Books
    refusals: Refusals
    budget: Budget

    def send(self, link: Link, item: Spooled, purpose: Purpose) -> bool:
        """Send an item, or pass it by; False if it has to wait for the budget. Raises LinkError."""
        topic = self.topics.sem(item.camera)
        most = len(item.body) + FRAME_BYTES + len(topic) + RECEIPT_BYTES
        if self.refusals.holds(topic, item) or self.links.holds_back(item.body):
            self.feed.sent(item)
        elif most > self.budget.most(purpose):
            waiting = Message(topic, item.body, position=item.position)
            self.refusals.skip(waiting, f"{most} bytes exceed the budget")
            self.feed.sent(item)
        elif self.books.admits(purpose, most):
            self.feed.sent(item)
            self._send_sealed(link, item, topic, purpose)
        else:
            return False
        return True

    def _send_sealed(self, link: Link, item: Spooled, topic: str, purpose: Purpose) -> None:
        try:
            packet = marked(item, self.spool.boot_id, tells_boot=self.session.tells_boot)
            payload = self.session.seal(bytes(packet), topic)
        except PacketError as error:
            log.warning("packet cannot be read and is given up", topic=topic, reason=str(error))
            self.spool.give_up_unreadable(item.position)
            return
        bill = packet_bill(item.camera, packet, payload, again=self.feed.is_again(item))
        qos = self.links.qos(time.monotonic())
        message = Message(topic, payload, qos=qos, position=item.position, bill=bill)
        if link.takes(message):
            self.books.publish(link, message, purpose)
            self.feed.published(item)
        else:
            self.refusals.skip(message, f"it is {link.size_of(message)} bytes")
