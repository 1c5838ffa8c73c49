"""Carries the spool to the broker, and the cloud's acknowledgement back to the spool.

    at every connect   subscribe ack and cmd; births of earlier boots that left packets; birth; state ready
    then               replies, telemetry; live packets; the backlog beside them, as far as the budget goes
    when a key is old  birth with a new one; also where there is something new to say
    at the end         what is left, up to a deadline; state sleeping
    by another link    see edge/links.py; what that one does not carry waits

PUBACK only opens the window: a broker may lose what it acknowledged. What the cloud does not acknowledge
is offered again at the next connection, or after a while: see edge/feed.py. So packets may go at QoS 0, too:
then one a minute goes at QoS 1, to see that somebody is there, and to confirm the telemetry before it.
"""

import time
from dataclasses import dataclass, field
from threading import Event

import structlog

from edge.address import Address
from edge.allowance import Limits, Purpose
from edge.announcer import Announcer
from edge.backoff import Backoff
from edge.books import Books
from edge.budget import Budget
from edge.commands import Commands
from edge.downlink import Downlink
from edge.feed import RESEND_S, Feed
from edge.ledger import Ledger
from edge.link import Link, LinkError, UnreachableError
from edge.links import Links
from edge.message import PING_BYTES, RECEIPT_BYTES, Message, greeting_bytes
from edge.outgoing import Outgoing
from edge.refusals import Refusals
from edge.session import PlainSession, Session
from edge.spool import Spool
from edge.stock import Spooled
from edge.telling import Said, Teller
from edge.watch import LOOK_S, Watch
from wire.documents import Birth
from wire.topics import DeviceTopics

FAREWELL_S = 2.0
STABLE_S = 10.0  # a connection that lasted less does not count as a success
PATIENCE_S = 5.0  # the backlog waits so long for the first ack, which may say that the cloud has it
_STEP_S = 0.1

log = structlog.get_logger()


class UplinkError(RuntimeError):
    """Packets could not be delivered in the time given; the message says where they stay."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What an uplink works with, where the defaults are not meant."""

    session: Session
    budget: Budget
    commands: Commands
    watch: Watch | None = None
    resend_s: float = RESEND_S
    ledger: Ledger = field(default_factory=Ledger)
    cameras: frozenset[str] = frozenset()  # that the birth will name once they are there
    links: Links = field(default_factory=Links)

    @classmethod
    def plain(cls, resend_s: float = RESEND_S) -> "Parts":
        """Give those of an uplink that seals nothing, has no budget and obeys no command."""
        return cls(PlainSession(), Budget(Limits()), Commands({}), resend_s=resend_s)


class Uplink:
    """Runs in one thread; `announce` may be called from others.

    Never gives up for the network's sake: a broker that is not there is tried again, with backoff.
    """

    def __init__(
        self, address: Address, topics: DeviceTopics, spool: Spool, birth: Birth, parts: Parts | None = None
    ) -> None:
        parts = parts or Parts.plain()
        self._address = address
        self._topics = topics
        self._spool = spool
        self._parts = parts
        self._session = parts.session
        self._feed = Feed(spool, parts.resend_s)
        self._budget = parts.budget
        self._links = parts.links
        shown_bytes = None if address.tls is None else address.tls.shown_bytes
        self._books = Books(parts.budget, parts.ledger, shown_bytes, wire=parts.links.network.count == "wire")
        said = Said(parts.commands, parts.watch, self._books)
        standing_bytes = parts.budget.standing.connection_bytes
        self._announcer = Announcer(topics, spool, parts.session, standing_bytes, parts.cameras)
        self._teller = Teller(topics.telemetry, parts.session, said, self._announcer.place)
        self._refusals = Refusals(str(address), frozenset((topics.birth, topics.state)))
        self._outgoing = Outgoing(
            topics, spool, parts.session, self._feed, parts.links, self._books, self._refusals, parts.budget
        )
        self._downlink = Downlink(topics, spool, parts.session, parts.commands, parts.budget.hear)
        self._connected_s = 0.0
        self._pinged_s = 0.0
        self._deadline_s: float | None = None
        self.turns = 0  # of its loops: whoever looks sees that it does not hang
        self.attempts = 0  # to connect
        self.is_connected = False
        self.announce(birth)

    @property
    def signs(self) -> tuple[int, int]:
        """What changes with each attempt to connect and each receipt of the cloud."""
        return self.attempts, self._downlink.acks

    @property
    def receipts(self) -> tuple[bool, bool]:
        """Whether the cloud was heard on this connection, and whether it ever had a packet of this boot."""
        return self._downlink.heard, self._downlink.stored

    def announce(self, birth: Birth) -> None:
        """Publish this birth from now on, at once if there is a connection."""
        self._announcer.announce(birth)

    def run(self, finish: Event, drain_timeout_s: float) -> None:
        """Deliver until `finish` is set, and then for up to `drain_timeout_s` what is left."""
        self._deadline_s = None
        backoff = Backoff()
        while not self._is_over(finish, drain_timeout_s):
            begun_s = time.monotonic()
            self.turns += 1
            self.attempts += 1
            reason = self._try_to_serve(finish, drain_timeout_s)
            if reason is None:
                return
            if time.monotonic() - begun_s > STABLE_S:
                backoff.reset()
            delay_s = backoff.next_delay_s()
            log.warning("no uplink", reason=reason, retry_s=round(delay_s, 1))
            self._pause(finish, delay_s)

    def _try_to_serve(self, finish: Event, drain_timeout_s: float) -> str | None:
        try:
            self._serve(finish, drain_timeout_s)
        except LinkError as error:
            return str(error)
        return None

    def _is_over(self, finish: Event, drain_timeout_s: float) -> bool:
        if not finish.is_set():
            return False
        now_s = time.monotonic()
        if self._deadline_s is None:
            self._deadline_s = now_s + drain_timeout_s
        return now_s >= self._deadline_s or self._spool.backlog().waiting == 0

    def _pause(self, finish: Event, delay_s: float) -> None:
        end_s = time.monotonic() + delay_s
        if self._deadline_s is not None:
            end_s = min(end_s, self._deadline_s)
        while (left_s := end_s - time.monotonic()) > 0:
            self._teller.look(time.monotonic())  # minutes pass without a connection, too
            if self._deadline_s is not None:
                time.sleep(min(left_s, LOOK_S))
            elif finish.wait(min(left_s, LOOK_S)):
                return

    def _serve(self, finish: Event, drain_timeout_s: float) -> None:
        """Live through one connection. Raises LinkError when it ends before its time."""
        self._follow(self._links.ahead(self._address.host, self._address.port))
        if not self._admits(Purpose.CONNECTION, self._budget.standing.connection_bytes):
            raise LinkError(f"{self._address}: the budget has no room for a connection")
        link = self._connected()
        try:
            self._greet(link)
            self.is_connected = True
            log.info("uplink is up", broker=str(self._address))
            while not self._is_over(finish, drain_timeout_s):
                self.turns += 1
                if self._links.leaves(self._address.host, self._address.port, time.monotonic()):
                    raise LinkError(f"{self._address}: the way there is by another link now")
                self._pump(link, time.monotonic())
                self._step(link)
            self._leave(link)
        finally:
            self.is_connected = False
            link.drop()
            self._books.settle(link.carried, closed=True)

    def _connected(self) -> Link:
        topics, will = self._topics, self._announcer.state("lost")
        client_id = f"{topics.tenant}.{topics.site}.{topics.device}"  # some brokers refuse a slash here
        greeting = greeting_bytes(client_id, will, self._downlink.filters)
        began_s = time.monotonic()
        try:
            link = Link(self._address, client_id, will, self._receive)
        except UnreachableError:  # a broker that is away for days costs the budget nothing
            self._books.attempted(time.monotonic() - began_s)
            raise
        except LinkError:
            self._books.connected(greeting)
            self._books.settle(None)
            raise
        self._follow(self._links.carrying(link.ends))
        self._books.connected(greeting)
        return link

    def _follow(self, name: str) -> None:
        """Take what holds on this link; what was sent until now went by the one before."""
        if name != self._links.active:
            self._teller.part(time.monotonic())
            self._budget.follow(name)
        self._links.follow(name)

    def _step(self, link: Link) -> None:
        try:
            link.step(_STEP_S)
        finally:  # also where the broker hung up on what it refuses
            self._books.settle(link.carried)
            self._heed_refused(link)

    def _greet(self, link: Link) -> None:
        self._connected_s = self._pinged_s = time.monotonic()
        self._session.connect(self._connected_s)
        self._downlink.connect()
        self._feed.rewind()
        self._teller.connect(self._connected_s)
        self._refusals.connect()
        self._announcer.connect()
        link.subscribe(*self._downlink.filters)
        self._announcer.publish(link, self._books)
        self._publish(link, self._announcer.state("ready"), Purpose.CONNECTION)

    def _pump(self, link: Link, now_s: float) -> None:
        self._count_pings(now_s)
        self._teller.look(now_s)
        if (self._announcer.is_due or self._session.is_due(now_s)) and self._announcer.may_publish(
            self._books
        ):
            self._session.renew(now_s)  # what says something new under a known key would be a replay
            self._announcer.publish(link, self._books)
        if not link.subscribed:
            return  # a retained ack may be about to free what would be sent in vain
        self._teller.tell(link, now_s)
        if self._feed.resends(now_s):
            log.warning("packets were not acknowledged, sending again")
            if self._announcer.may_publish(self._books):
                if not self._session.is_young(now_s):
                    self._session.renew(now_s)  # the cloud may hold another key, or boot, for the latest
                self._announcer.publish(link, self._books)  # whoever lost the packets may have lost the birth
        for item in self._feed.live(link.room):
            if not self._send(link, item, Purpose.LIVE):
                break
        if self._downlink.heard:
            self._send_backlog(link)
        elif now_s - self._connected_s >= PATIENCE_S:
            self._announcer.repeat(link, self._books)
            self._send_backlog(link)

    def _send_backlog(self, link: Link) -> None:
        for item in self._feed.backlog(link.room):
            if not self._send(link, item, Purpose.BACKLOG):
                break

    def _send(self, link: Link, item: Spooled, purpose: Purpose) -> bool:
        return self._outgoing.send(link, item, purpose)

    def _publish(self, link: Link, message: Message, purpose: Purpose) -> None:
        self._books.publish(link, message, purpose)

    def _admits(self, purpose: Purpose, size: int) -> bool:
        return self._books.admits(purpose, size)

    def _receive(self, topic: str, payload: bytes) -> None:
        self._books.control(RECEIPT_BYTES, Purpose.RECORD)
        self._downlink.receive(topic, payload)

    def _count_pings(self, now_s: float) -> None:
        """Take it that one goes out whenever one may."""
        if now_s - self._pinged_s >= self._address.keepalive_s:
            self._pinged_s = now_s
            self._books.control(PING_BYTES, Purpose.RECORD)

    def _heed_refused(self, link: Link) -> None:
        self._refusals.heed(link)

    def _leave(self, link: Link) -> None:
        self._teller.conclude(link, time.monotonic())
        self._publish(link, self._announcer.state("sleeping"), Purpose.CONNECTION)
        self._books.control(PING_BYTES, Purpose.CONNECTION)  # DISCONNECT
        deadline_s = time.monotonic() + FAREWELL_S
        while link.in_flight and time.monotonic() < deadline_s:
            link.step(_STEP_S)
        link.close()
