"""From broker to store: open, parse, store in one transaction, and only then acknowledge.

deliveries --batch--> one transaction --commit--> PUBACK to the broker
                                            '--> `ack` to the devices, gathered
"""

import threading
from collections import Counter
from collections.abc import Mapping

import structlog

from cloud.acks import AckPace, ack_of
from cloud.clock import Clock, wall_ms
from cloud.config import Broker
from cloud.inbox import Inbox, Outcome, Receipt
from cloud.store import Store, StoreError
from cloud.subscription import Delivery, Subscription
from wire import documents

BATCH = 64  # messages in one transaction: a commit costs as much as dozens of them
_WAIT_S = 0.1
_STORE_RETRY_S = 1.0

log = structlog.get_logger()


class Ingest:
    """Runs on one thread, with paho's beside it. A store that fails is tried again: nothing is lost."""

    def __init__(self, broker: Broker, store: Store, inbox: Inbox, clock: Clock = wall_ms) -> None:
        self._broker = broker
        self._store = store
        self._inbox = inbox
        self._clock = clock
        self._counts: Counter[Outcome] = Counter()
        self._subscription: Subscription | None = None
        self._store_trouble: str | None = None

    @property
    def trouble(self) -> str | None:
        """Why nothing is ingested at present; None when all is well."""
        if self._subscription is None:
            return "not started yet"
        return self._store_trouble or self._subscription.trouble

    @property
    def counts(self) -> Mapping[Outcome, int]:
        """How many messages had which outcome since the start."""
        return dict(self._counts)

    def run(self, stop: threading.Event) -> None:
        """Ingest until `stop`; what cannot be stored by then stays with the broker."""
        pace = AckPace(round(self._broker.ack_interval_s * 1000))
        subscription = self._subscription = Subscription(self._broker, self._clock)
        subscription.open()
        try:
            while not stop.is_set():
                self._take(subscription, pace, stop)
                self._answer(pace.due(self._clock()), pace, subscription)
            # rumqttd 0.20 panics when the last of a group leaves with messages unacknowledged.
            while self._take(subscription, pace, stop):
                pass
            self._answer(pace.due(self._clock(), hurry=True), pace, subscription)
        finally:
            subscription.close()

    def _take(self, subscription: Subscription, pace: AckPace, stop: threading.Event) -> bool:
        """Store what has come; False if that was nothing, or did not succeed before `stop`."""
        batch = subscription.next(BATCH, _WAIT_S)
        receipts = self._stored(batch, subscription, stop)
        for receipt in receipts:
            self._counts[receipt.outcome] += 1
            if receipt.owed is not None:
                pace.owe(receipt.owed, self._clock())
        return bool(receipts)

    def _stored(
        self, batch: list[Delivery], subscription: Subscription, stop: threading.Event
    ) -> list[Receipt]:
        """Store a batch, then settle it. Tries again for as long as the store fails, but not after `stop`."""
        receipts: list[Receipt] = []
        while batch:
            try:
                with self._store.write() as session:
                    receipts = [self._inbox.accept(session, delivery.message) for delivery in batch]
            except StoreError as error:
                self._store_trouble = str(error)
                log.warning("cannot store, trying again", error=str(error))
                if stop.wait(_STORE_RETRY_S):
                    return []
                continue
            break
        self._store_trouble = None
        for delivery in batch:
            subscription.settle(delivery)
        return receipts

    def _answer(self, devices: list[int], pace: AckPace, subscription: Subscription) -> None:
        for device_id in devices:
            try:
                with self._store.read() as session:
                    topic, ack = ack_of(session, device_id)
            except StoreError as error:
                log.warning("cannot acknowledge, trying again", error=str(error))
                pace.owe(device_id, self._clock())
                continue
            if not subscription.publish(topic, documents.encode(ack)):
                pace.owe(device_id, self._clock())
