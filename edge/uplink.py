"""Carries the spool to the broker, and the cloud's acknowledgement back to the spool.

    at every connect   subscribe ack and cmd; births of earlier boots that left packets; birth; state ready
    then               replies, telemetry; live packets; the backlog beside them, as far as the budget goes
    when a key is old  birth with a new one; also where there is something new to say
    at the end         what is left, up to a deadline; state sleeping

PUBACK only opens the window: a broker may lose what it acknowledged. What the cloud does not acknowledge
is offered again at the next connection, or after a while: see edge/feed.py.
"""

import time
from dataclasses import dataclass, replace
from threading import Event, Lock
from typing import Literal

import structlog

from edge.allowance import Limits, Purpose
from edge.backoff import Backoff
from edge.budget import Budget
from edge.commands import Commands
from edge.downlink import Downlink
from edge.feed import BACKLOG_S, RESEND_S, Feed
from edge.link import Address, Link, LinkError, UnreachableError
from edge.message import FRAME_BYTES, PING_BYTES, RECEIPT_BYTES, Message, greeting_bytes
from edge.session import PlainSession, Session
from edge.spool import Spool
from edge.stock import Spooled
from edge.watch import Watch
from wire import documents
from wire.documents import Birth, DocumentError, State
from wire.packet import Packet, PacketError
from wire.telemetry import REPLY
from wire.topics import DeviceTopics

FAREWELL_S = 2.0
STABLE_S = 10.0  # a connection that lasted less does not count as a success
PATIENCE_S = 5.0  # the backlog waits so long for the first ack, which may say that the cloud has it
_STEP_S = 0.1
_RECORD_BYTES = 160  # of telemetry, sealed: more than it takes

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
        self._downlink = Downlink(topics, spool, parts.session, parts.commands, parts.budget.hear)
        self._lock = Lock()
        self._refused_topics = set[str]()  # on this connection
        self._too_large = set[int]()  # positions in the spool
        self._repeated = False  # births, on this connection
        self._connected_s = 0.0
        self._pinged_s = 0.0
        self._deadline_s: float | None = None
        self.turns = 0  # of its loops: whoever looks sees that it does not hang
        self._attempts = 0  # to connect
        self.announce(birth)

    @property
    def signs(self) -> tuple[int, int]:
        """What changes with each attempt to connect and each receipt of the cloud."""
        return self._attempts, self._downlink.acks

    def announce(self, birth: Birth) -> None:
        """Publish this birth from now on, at once if there is a connection."""
        self._spool.keep_birth(documents.encode(birth))
        with self._lock:
            self._birth = birth
            self._announced = False

    def run(self, finish: Event, drain_timeout_s: float) -> None:
        """Deliver until `finish` is set, and then for up to `drain_timeout_s` what is left."""
        self._deadline_s = None
        backoff = Backoff()
        while not self._is_over(finish, drain_timeout_s):
            begun_s = time.monotonic()
            self.turns += 1
            self._attempts += 1
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
        if self._deadline_s is None:
            finish.wait(delay_s)
        else:
            time.sleep(max(min(delay_s, self._deadline_s - time.monotonic()), 0))

    def _serve(self, finish: Event, drain_timeout_s: float) -> None:
        """Live through one connection. Raises LinkError when it ends before its time."""
        if not self._admits(Purpose.CONNECTION, self._budget.standing.connection_bytes):
            raise LinkError(f"{self._address}: the budget has no room for a connection")
        link = self._connected()
        try:
            self._greet(link)
            log.info("uplink is up", broker=str(self._address))
            while not self._is_over(finish, drain_timeout_s):
                self.turns += 1
                self._pump(link, time.monotonic())
                self._step(link)
            self._leave(link)
        finally:
            link.drop()

    def _connected(self) -> Link:
        topics, will = self._topics, self._state("lost")
        client_id = f"{topics.tenant}.{topics.site}.{topics.device}"  # some brokers refuse a slash here
        greeting = greeting_bytes(client_id, will, self._downlink.filters)
        try:
            link = Link(self._address, client_id, will, self._receive)
        except UnreachableError:
            raise  # a broker that is away for days costs nothing
        except LinkError:
            self._spend(Purpose.CONNECTION, greeting)
            raise
        self._spend(Purpose.CONNECTION, greeting)
        return link

    def _step(self, link: Link) -> None:
        try:
            link.step(_STEP_S)
        finally:  # also where the broker hung up on what it refuses
            self._heed_refused(link)

    def _greet(self, link: Link) -> None:
        self._connected_s = self._pinged_s = time.monotonic()
        self._session.connect(self._connected_s)
        self._downlink.connect()
        self._feed.rewind()
        self._refused_topics.clear()
        self._repeated = False
        link.subscribe(*self._downlink.filters)
        self._publish_births(link)
        self._publish(link, self._state("ready"), Purpose.CONNECTION)

    def _pump(self, link: Link, now_s: float) -> None:
        self._count_pings(now_s)
        if (not self._announced or self._session.is_due(now_s)) and self._may_announce():
            self._session.renew(now_s)  # what says something new under a known key would be a replay
            self._publish_births(link)
        if not link.subscribed:
            return  # a retained ack may be about to free what would be sent in vain
        self._tell(link, now_s)
        if self._feed.resends(now_s):
            log.warning("packets were not acknowledged, sending again")
            if self._may_announce():
                self._session.renew(now_s)  # the cloud may hold another key, or boot, for the latest
                self._publish_births(link)  # whoever lost the packets may have lost the birth
        for item in self._feed.live(link.window - link.in_flight):
            if not self._send(link, item, Purpose.LIVE):
                break
        if self._downlink.heard:
            self._send_backlog(link)
        elif now_s - self._connected_s >= PATIENCE_S:
            self._repeat_births(link)
            self._send_backlog(link)

    def _repeat_births(self, link: Link) -> None:
        """Say once more what goes before the backlog: a cloud that came meanwhile has not heard it."""
        if not self._repeated and self._spool.earlier_births():
            self._publish_births(link)
        self._repeated = True

    def _send_backlog(self, link: Link) -> None:
        for item in self._feed.backlog(link.window - link.in_flight):
            if not self._send(link, item, Purpose.BACKLOG):
                break

    def _send(self, link: Link, item: Spooled, purpose: Purpose) -> bool:
        """Send an item, or pass it by; False if it has to wait for the budget."""
        topic = self._topics.sem(item.camera)
        most = len(item.body) + FRAME_BYTES + len(topic) + RECEIPT_BYTES
        if topic in self._refused_topics or item.position in self._too_large:
            self._feed.sent(item)
        elif most > self._budget.most(purpose):
            self._skip(Message(topic, item.body, position=item.position), f"{most} bytes exceed the budget")
            self._feed.sent(item)
        elif self._admits(purpose, most):
            self._feed.sent(item)
            self._send_sealed(link, item, topic, purpose)
        else:
            return False
        return True

    def _send_sealed(self, link: Link, item: Spooled, topic: str, purpose: Purpose) -> None:
        try:
            payload = self._session.seal(self._body(item), topic)
        except PacketError as error:  # whoever wrote this, it must not hold the others up
            log.warning("packet cannot be read and is given up", topic=topic, reason=str(error))
            self._spool.give_up_unreadable(item.position)
            return
        message = Message(topic, payload, position=item.position)
        if link.takes(message):
            self._publish(link, message, purpose)
        else:
            self._skip(message, f"it is {link.size_of(message)} bytes")

    def _tell(self, link: Link, now_s: float) -> None:
        topic = self._topics.telemetry
        for reply in self._parts.commands.replies():
            body = bytes((REPLY,)) + documents.encode(reply)
            message = Message(topic, self._session.seal(body, topic))
            if not self._admits(Purpose.RECORD, link.size_of(message)):
                log.warning("an answer is not sent: the budget has no room", id=reply.id)
            elif link.takes(message):
                self._publish(link, message, Purpose.RECORD)
        if self._parts.watch is None or not self._admits(Purpose.RECORD, _RECORD_BYTES):
            return
        record = self._parts.watch.due(now_s)
        if record is not None:
            message = Message(topic, self._session.seal(bytes(record), topic), qos=0)
            self._publish(link, message, Purpose.RECORD)

    def _publish_births(self, link: Link) -> None:
        for earlier in self._spool.earlier_births():
            try:
                birth = documents.decode_birth(earlier)
            except DocumentError as error:
                log.warning("birth of an earlier boot is not readable", reason=str(error))
                continue
            message = Message(self._topics.birth, self._session.earlier_birth(birth))
            own = self._budget.standing.connection_bytes  # of which this boot's birth is yet to go
            if self._admits(Purpose.CONNECTION, own + link.size_of(message)):
                self._publish(link, message, Purpose.CONNECTION)
        with self._lock:
            birth, self._announced = self._birth, True
        message = Message(self._topics.birth, self._session.birth(birth), retain=True)
        self._publish(link, message, Purpose.CONNECTION)

    def _may_announce(self) -> bool:
        return self._admits(Purpose.CONNECTION, self._budget.standing.connection_bytes)

    def _publish(self, link: Link, message: Message, purpose: Purpose) -> None:
        self._spend(purpose, link.publish(message))

    def _admits(self, purpose: Purpose, size: int) -> bool:
        return self._budget.admits(purpose, size, time.monotonic())

    def _spend(self, purpose: Purpose, size: int) -> None:
        self._budget.spent(purpose, size, time.monotonic())

    def _receive(self, topic: str, payload: bytes) -> None:
        self._spend(Purpose.RECORD, RECEIPT_BYTES)
        self._downlink.receive(topic, payload)

    def _count_pings(self, now_s: float) -> None:
        """Take it that one goes out whenever one may."""
        if now_s - self._pinged_s >= self._address.keepalive_s:
            self._pinged_s = now_s
            self._spend(Purpose.RECORD, PING_BYTES)

    def _body(self, item: Spooled) -> bytes:
        """Mark what is not live any more: a packet of an earlier boot, or one that waited.

        Without a key that tells it, each packet says its boot: it may overtake the birth.
        """
        foreign = item.boot_id != self._spool.boot_id
        historical = foreign or item.waited_s >= BACKLOG_S
        named = foreign or not self._session.tells_boot
        if not historical and not named:
            return item.body
        packet = Packet.parse(item.body)
        return bytes(replace(packet, historical=historical, boot_id=item.boot_id if named else None))

    def _heed_refused(self, link: Link) -> None:
        for refusal in link.take_refused():
            topic = refusal.message.topic
            if topic in (self._topics.birth, self._topics.state):
                raise LinkError(f"{self._address}: broker refuses {topic}: {refusal.reason}: enrolled?")
            if refusal.too_large and refusal.message.position:
                self._skip(refusal.message, refusal.reason)
            elif topic not in self._refused_topics:
                self._refused_topics.add(topic)  # the others go on; a camera's packets wait
                log.error("broker refuses a topic: is it enrolled?", topic=topic, reason=refusal.reason)

    def _skip(self, message: Message, reason: str) -> None:
        """Let the others pass. It stays in the spool: a broker's word is not enough to throw it away."""
        self._too_large.add(message.position)
        log.error("packet is too large: it waits", topic=message.topic, reason=reason)

    def _state(self, state: Literal["ready", "sleeping", "lost"]) -> Message:
        document = State(state=state, boot_id=self._spool.boot_id.hex())
        return Message(self._topics.state, documents.encode(document), retain=True)

    def _leave(self, link: Link) -> None:
        self._publish(link, self._state("sleeping"), Purpose.CONNECTION)
        self._spend(Purpose.CONNECTION, PING_BYTES)  # DISCONNECT
        deadline_s = time.monotonic() + FAREWELL_S
        while link.in_flight and time.monotonic() < deadline_s:
            link.step(_STEP_S)
        link.close()
