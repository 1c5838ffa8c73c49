"""What goes down to devices: acknowledgements when they are due, commands when they are asked for.

Owed acknowledgements are told when the store has them, and never before.
"""

import structlog
from sqlalchemy.orm import Session

from cloud import commands
from cloud.acks import AckPace, ack_of
from cloud.clock import Clock, steady_ms, wall_ms
from cloud.commands import Order
from cloud.downlink import Downlink, Letter
from cloud.store import Store, StoreError
from cloud.subscription import Subscription
from wire import documents

LOOK_MS = 500  # how soon a command is noticed; asking costs one indexed query
_ROUND_MS = 50  # acknowledgements of so long go out in one transaction
_AT_ONCE = 64  # commands

log = structlog.get_logger()


class Answering:
    """Publishes through the subscription of an ingest; for its thread."""

    def __init__(
        self, store: Store, downlink: Downlink, ack_interval_s: float, clock: Clock = wall_ms
    ) -> None:
        self._store = store
        self._downlink = downlink
        self._clock = clock
        self._pace = AckPace(round(ack_interval_s * 1000))
        self._round_ms = self._look_ms = -LOOK_MS

    def owe(self, device_id: int) -> None:
        """Remember to tell a device what of it is stored."""
        self._pace.owe(device_id, steady_ms())

    def work(self, subscription: Subscription, *, hurry: bool = False) -> None:
        """Send what is due, all that is owed in a `hurry`. What cannot be sent is tried again."""
        now_ms = steady_ms()
        try:
            if hurry or now_ms >= self._round_ms + _ROUND_MS:
                self._round_ms = now_ms
                self._acknowledge(subscription, self._pace.due(now_ms, hurry=hurry))
            if now_ms >= self._look_ms + LOOK_MS and subscription.trouble is None:
                self._look_ms = now_ms
                self._command(subscription, self._clock())
        except StoreError as error:
            log.warning("cannot answer devices, trying again", error=str(error))

    def _acknowledge(self, subscription: Subscription, devices: list[int]) -> None:
        if not devices:
            return
        sent = set[int]()
        try:
            with self._store.read() as session:
                letters = [self._ack(session, device_id) for device_id in devices]
            for letter, frame in zip(letters, self._downlink.frames(letters), strict=True):
                if frame is None or subscription.publish(letter.topic, frame, retain=True):
                    sent.add(letter.device_id)
        finally:
            for device_id in devices:
                if device_id not in sent:
                    self.owe(device_id)

    def _ack(self, session: Session, device_id: int) -> Letter:
        topic, ack = ack_of(session, device_id, self._clock())
        return Letter(device_id, topic, documents.encode(ack))

    def _command(self, subscription: Subscription, now_ms: int) -> None:
        with self._store.read() as session:
            if not commands.is_queued(session, now_ms):
                return
        with self._store.write() as session:
            orders = commands.take(session, now_ms, _AT_ONCE)
        letters = [Letter(order.device_id, order.topic, documents.encode(order.command)) for order in orders]
        frames = self._downlink.frames(letters) if letters else []
        for order, letter, frame in zip(orders, letters, frames, strict=True):
            if frame is None or not subscription.publish(letter.topic, frame, retain=False):
                self._put_back(order)

    def _put_back(self, order: Order) -> None:
        """Let a command wait: there is no connection, or its device has no key yet."""
        with self._store.write() as session:
            commands.put_back(session, order.command.id)
