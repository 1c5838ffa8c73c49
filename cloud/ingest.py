"""From broker to store: open, parse, store in one transaction, and only then acknowledge.

deliveries --batch--> one transaction --commit--> PUBACK to the broker
                                            |---> `ack` to the devices, gathered
                                            '---> segments, while no message waits

A batch is what came while the one before was stored, so that it grows with the load, up to BATCH.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import structlog

from cloud.answering import Answering
from cloud.clock import Clock, wall_ms
from cloud.config import Broker
from cloud.crew import attempt
from cloud.derivation import Derivation
from cloud.events.publisher import Publisher
from cloud.inbox import Inbox
from cloud.limits import Gate
from cloud.message import Message, Outcome, Receipt
from cloud.metrics.meters import Meters
from cloud.store import ContentError, Store, StoreError
from cloud.subscription import Subscription

BATCH = 512  # messages in one transaction: a commit costs as much as dozens of them
DERIVING_SHARE = 0.1  # of the time, while messages never cease to come
FAREWELL_S = 5.0  # how long what still comes is stored after `stop`
_WAIT_S = 0.1
_STORE_RETRY_S = 1.0

log = structlog.get_logger()


class Ingest:
    """Runs on one thread. A store that fails is tried again: nothing is lost.

    Without `derivation`, another process derives; with `publisher`, events go out on the same connection: a
    broker may allow a process no other. Raises ConfigError for certificates that cannot be used.
    """

    def __init__(
        self,
        broker: Broker,
        store: Store,
        inbox: Inbox,
        gate: Gate,
        answering: Answering,
        derivation: Derivation | None,
        clock: Clock = wall_ms,
        meters: Meters | None = None,
        publisher: Publisher | None = None,
    ) -> None:
        self._store = store
        self._inbox = inbox
        self._gate = gate
        self._answering = answering
        self._derivation = derivation
        self._clock = clock
        self._meters = meters or Meters()
        self._publisher = publisher
        self._counts: Counter[Outcome] = Counter()
        self._subscription = Subscription(broker, clock)
        self._started = False
        self._store_trouble: str | None = None
        self._derives_at_s = 0.0
        self._deriving = True  # there may be more

    @property
    def trouble(self) -> str | None:
        """Why nothing is ingested at present; None when all is well."""
        if not self._started:
            return "not started yet"
        return self._store_trouble or self._subscription.trouble

    @property
    def counts(self) -> Mapping[Outcome, int]:
        """How many messages had which outcome since the start."""
        return dict(self._counts)

    def run(self, stop: threading.Event) -> None:
        """Ingest until `stop`; what cannot be stored by then stays with the broker."""
        self._subscription.open()
        self._started = True
        try:
            self._revive()
            while not stop.is_set():
                taken = self._take(stop)
                self._derive(taken)
                self._answering.work(self._subscription)
                self._publish()
            # rumqttd 0.20 panics when the last of a group leaves with messages unacknowledged.
            end_s = time.monotonic() + FAREWELL_S
            while self._take(stop) and time.monotonic() < end_s:
                pass
            self._answering.work(self._subscription, hurry=True)
        finally:
            self._subscription.close()
            if self._publisher is not None:
                self._publisher.close()

    def _publish(self) -> None:
        if self._publisher is not None:
            self._publisher.work(self._subscription)

    def _revive(self) -> None:
        """See to what an earlier process left waiting."""
        try:
            for device_id in self._inbox.revive():
                self._answering.owe(device_id)
        except StoreError as error:
            log.warning("cannot see to what waits", error=str(error))

    def _take(self, stop: threading.Event) -> int:
        """Store what has come; tell how much that was, 0 also if it did not succeed before `stop`."""
        batch = self._subscription.next(BATCH, 0.0 if self._deriving else _WAIT_S)
        admitted = [delivery.message for delivery in batch if self._gate.admits(delivery.message)]
        self._counts[Outcome.LIMITED] += len(batch) - len(admitted)
        admitted += self._gate.released(self._clock())
        receipts = self._stored(admitted, stop)
        if receipts is None:
            return 0
        self._subscription.settle(batch)
        for receipt in receipts:
            self._counts[receipt.outcome] += 1
            if receipt.owed is not None:
                self._answering.owe(receipt.owed)
        return len(batch)

    def _stored(self, messages: Sequence[Message], stop: threading.Event) -> list[Receipt] | None:
        """Store messages. Tries again for as long as the store fails, but not after `stop`: then None."""
        while messages:
            try:
                with self._meters.commit.time():
                    receipts = self._accepted(messages)
            except StoreError as error:
                self._meters.retries.inc()
                self._store_trouble = str(error)
                log.warning("cannot store, trying again", error=str(error))
                if self._rests(stop):
                    return None
                continue
            self._store_trouble = None
            self._meters.batch.observe(len(messages))
            return receipts
        return []

    def _accepted(self, messages: Sequence[Message]) -> list[Receipt]:
        """Store messages at once, or one by one if that fails for what is in them. Raises StoreError."""
        receipts = list[Receipt]()
        trouble = _tried(lambda: receipts.extend(self._inbox.accept(messages)))
        if trouble is None:
            return receipts
        if len(messages) == 1:
            return [self._inbox.refuse(messages[0], trouble)]
        return [receipt for message in messages for receipt in self._accepted([message])]

    def _rests(self, stop: threading.Event) -> bool:
        """Keep the connection until the store may be tried again; True if `stop` comes first."""
        end_s = time.monotonic() + _STORE_RETRY_S
        while not stop.is_set() and time.monotonic() < end_s:
            self._subscription.idle(_WAIT_S)
        return stop.is_set()

    def _derive(self, taken: int) -> None:
        """Derive a little, unless messages wait and deriving has had its share."""
        now_s = time.monotonic()
        if self._derivation is None:
            self._deriving = False
            return
        if taken and now_s < self._derives_at_s:
            self._deriving = True  # as soon as nothing waits
            return
        try:
            self._deriving = self._derivation.work() > 0
        except StoreError as error:
            self._deriving = False
            log.warning("cannot derive, trying again", error=str(error))
        spent_s = time.monotonic() - now_s
        self._derives_at_s = now_s + spent_s / DERIVING_SHARE


def _tried(work: Callable[[], None]) -> str | None:
    """Do it, and give what is wrong with the content, if it is that."""
    try:
        return attempt(work, "messages cannot be stored as nobody foresaw", foreseen=(StoreError,))
    except ContentError as error:
        return str(error)
