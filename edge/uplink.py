"""Carries the spool to the broker, and the cloud's acknowledgement back to the spool.

    at every connect   subscribe ack; births of earlier boots that left packets; birth; state ready
    then               spool, oldest first, a window of messages at a time; gap records among its packets
    on ack             the spool frees what the cloud has stored
    at the end         what is left, up to a deadline; state sleeping

PUBACK only opens the window: a broker may lose what it acknowledged. What the cloud does not
acknowledge is offered again at the next connection, or after RESEND_S, ever more rarely.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from threading import Event, Lock
from typing import Literal

import structlog

from edge.backoff import Backoff
from edge.link import Address, Link, LinkError, Message
from edge.shelf import Spooled
from edge.spool import Spool
from wire import documents
from wire.documents import Birth, DocumentError, State
from wire.envelope import Envelope, PlainEnvelope
from wire.packet import Packet
from wire.topics import DeviceTopics

RESEND_S = 60.0
RESEND_LIMIT_S = 3600.0
BACKLOG_S = 10.0  # a packet that waited longer is history
FAREWELL_S = 2.0
STABLE_S = 10.0  # a connection that lasted less does not count as a success
_STEP_S = 0.1

log = structlog.get_logger()


class UplinkError(RuntimeError):
    """Packets could not be delivered in the time given; the message says where they stay."""


class Uplink:
    """Runs in one thread; `announce` may be called from others.

    Never gives up for the network's sake: a broker that is not there is tried again, with backoff.
    """

    def __init__(
        self,
        address: Address,
        topics: DeviceTopics,
        spool: Spool,
        birth: Birth,
        envelope: Callable[[], Envelope] = PlainEnvelope,
        resend_s: float = RESEND_S,
    ) -> None:
        self._address = address
        self._topics = topics
        self._spool = spool
        self._new_envelope = envelope
        self._envelope = envelope()
        self._first_resend_s = resend_s
        self._lock = Lock()
        self._resend_s = resend_s
        self._offered = 0  # position in the spool up to which packets were sent
        self._offered_s = 0.0
        self._deadline_s: float | None = None
        self.announce(birth)

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
        topics = self._topics
        will = self._state("lost")
        client_id = f"{topics.tenant}.{topics.site}.{topics.device}"  # some brokers refuse a slash here
        link = Link(self._address, client_id, will, self._acknowledged)
        try:
            self._greet(link)
            log.info("uplink is up", broker=str(self._address))
            while not self._is_over(finish, drain_timeout_s):
                self._pump(link)
                link.step(_STEP_S)
            self._leave(link)
        finally:
            link.drop()

    def _greet(self, link: Link) -> None:
        self._rewind()
        self._envelope = self._new_envelope()
        self._announced = False
        link.subscribe(self._topics.ack)
        self._publish_births(link)
        link.publish(self._state("ready"))

    def _pump(self, link: Link) -> None:
        if not self._announced:
            self._publish_births(link)
        if not link.subscribed:
            return  # a retained ack may be about to free what would be sent in vain
        self._resend_if_due()
        room = link.window - link.in_flight
        for item in self._spool.pending(room, self._offered) if room > 0 else ():
            topic = self._topics.sem(item.camera)
            link.publish(Message(topic, self._envelope.wrap(self._body(item), topic)))
            self._offered = item.position
            self._offered_s = time.monotonic()

    def _publish_births(self, link: Link) -> None:
        for earlier in self._spool.earlier_births():
            link.publish(Message(self._topics.birth, earlier))
        with self._lock:
            birth, self._announced = self._birth, True
        link.publish(Message(self._topics.birth, documents.encode(birth), retain=True))

    def _body(self, item: Spooled) -> bytes:
        """Mark what is not live any more: a packet of an earlier boot, or one that waited."""
        foreign = item.boot_id != self._spool.boot_id
        if not foreign and item.waited_s < BACKLOG_S:
            return item.body
        packet = Packet.parse(item.body)
        return bytes(replace(packet, historical=True, boot_id=item.boot_id if foreign else None))

    def _rewind(self) -> None:
        """Offer everything that waits again, from the oldest on."""
        self._offered = 0
        self._offered_s = time.monotonic()

    def _resend_if_due(self) -> None:
        waited_s = time.monotonic() - self._offered_s
        if self._offered and waited_s >= self._resend_s and self._spool.backlog().waiting:
            log.warning("packets were not acknowledged, sending again", waited_s=round(waited_s))
            self._resend_s = min(self._resend_s * 2, RESEND_LIMIT_S)
            self._rewind()
            self._announced = False  # whoever lost the packets may have lost the birth

    def _acknowledged(self, payload: bytes) -> None:
        try:
            ack = documents.decode_ack(payload)
        except DocumentError as error:
            log.warning("ack is not readable", reason=str(error))
            return
        freed = sum(
            self._spool.acknowledge(bytes.fromhex(boot), watermark) for boot, watermark in ack.boots.items()
        )
        if freed:
            self._resend_s = self._first_resend_s
            self._offered_s = time.monotonic()

    def _state(self, state: Literal["ready", "sleeping", "lost"]) -> Message:
        document = State(state=state, boot_id=self._spool.boot_id.hex())
        return Message(self._topics.state, documents.encode(document), retain=True)

    def _leave(self, link: Link) -> None:
        link.publish(self._state("sleeping"))
        deadline_s = time.monotonic() + FAREWELL_S
        while link.in_flight and time.monotonic() < deadline_s:
            link.step(_STEP_S)
        link.close()
