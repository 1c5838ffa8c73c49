"""What is sent is counted here, and only here: for the budget and for the ledger.

    uplink --published, control--> Books --MQTT bytes-->  Budget    may this go?
                                     '---by what for-->   Ledger    what went?
    link ----carried---> settle --TCP/IP and TLS-------> Ledger, and where they are counted the Budget

What TCP/IP and TLS add is known for a connection as a whole, a little later; it is shared out over those that
have sent meanwhile, by what an estimate says of each.
"""

import time
from collections import Counter
from typing import Protocol

from edge.allowance import Purpose
from edge.budget import Budget
from edge.ledger import Ledger
from edge.message import Message
from edge.transport import Carried, attempt_bytes, closing_bytes, connection_bytes, message_bytes
from wire.spent import MQTT, PACKET, PAYLOAD, RESENT, TRANSPORT


class Outlet(Protocol):
    """One connection, as far as who sends needs it: edge/link.py.

    `published` messages at QoS 1 went out, of which the first `confirmed` were acknowledged.
    """

    published: int
    confirmed: int

    def publish(self, message: Message) -> int:
        """Send, and give the size of the MQTT packet. Raises LinkError."""
        ...

    def size_of(self, message: Message) -> int:
        """Give the size that `publish` would give."""
        ...

    def takes(self, message: Message) -> bool:
        """Tell whether the broker takes packets of this size."""
        ...


class Books:
    """Of one uplink, in its thread. `certificate_bytes` are what it shows of itself by TLS, None without.

    `wire`: the budget pays for TCP/IP and TLS, too. What they take is asked for by estimate, and paid once it
    is known.
    """

    def __init__(
        self, budget: Budget, ledger: Ledger, certificate_bytes: int | None = None, *, wire: bool = False
    ) -> None:
        self._wire = wire
        self._budget = budget
        self.ledger = ledger
        self._certificate_bytes = certificate_bytes
        self._handed = 0  # bytes of MQTT on this connection
        self._settled = 0  # of what TCP/IP and TLS have added on it
        self._shares = Counter[str | None]()  # who it was for, by estimate
        self._fresh = Counter[str | None]()  # the same, since it was last settled

    def admits(self, purpose: Purpose, size: int) -> bool:
        """Tell whether the budget has room."""
        if self._wire:
            size += message_bytes(size, tls=self._certificate_bytes is not None, answered=True)
        return self._budget.admits(purpose, size, time.monotonic())

    def connected(self, greeting_bytes: int) -> None:
        """Count a connection that was opened, and what MQTT said to open it."""
        self._handed = self._settled = 0
        self._fresh.clear()
        self._fresh[None] += connection_bytes(self._certificate_bytes)
        self.control(greeting_bytes, Purpose.CONNECTION)

    def attempted(self, waited_s: float) -> None:
        """Count a connection that did not come about."""
        self._carried(None, attempt_bytes(waited_s))

    def publish(self, link: Outlet, message: Message, purpose: Purpose) -> None:
        """Send a message, and count it. Raises LinkError."""
        self.published(message, link.publish(message), purpose)

    def published(self, message: Message, size: int, purpose: Purpose) -> None:
        """Count a message that took `size` bytes of MQTT."""
        bill = message.bill
        camera = None if bill is None else bill.camera
        self._spend(camera, size, purpose, answered=message.qos > 0)
        if bill is not None and bill.again:
            self.ledger.add(camera, PACKET, RESENT, size)
            return
        layers = () if bill is None else bill.layers
        for layer, part in layers:
            self.ledger.add(camera, layer, PAYLOAD, part)
        self.ledger.add(camera, PACKET, MQTT, size - sum(part for _, part in layers))

    def control(self, size: int, purpose: Purpose) -> None:
        """Count what MQTT sends besides: greetings, receipts, pings."""
        self._spend(None, size, purpose, answered=False)
        self.ledger.add(None, PACKET, MQTT, size)

    def settle(self, carried: Carried | None, *, closed: bool = False) -> None:
        """Count what TCP/IP and TLS have added; `carried` is None where the kernel does not tell."""
        if carried is None:
            amount = sum(self._fresh.values())
        else:
            added = carried.ip_bytes - self._handed + (closing_bytes() if closed else 0)
            amount = max(added - self._settled, 0)
            self._settled += amount
        if self._fresh:
            self._shares, self._fresh = self._fresh, Counter()
        for camera, size in _shared(amount, self._shares).items():
            self._carried(camera, size)

    def _carried(self, camera: str | None, size: int) -> None:
        self.ledger.add(camera, PACKET, TRANSPORT, size)
        if self._wire and size:  # segments were planned without it
            self._budget.spent(Purpose.RECORD, size, time.monotonic())

    def _spend(self, camera: str | None, size: int, purpose: Purpose, *, answered: bool) -> None:
        self._handed += size
        tls = self._certificate_bytes is not None
        self._fresh[camera] += message_bytes(size, tls=tls, answered=answered)
        self._budget.spent(purpose, size, time.monotonic())


def _shared(amount: int, shares: Counter[str | None]) -> dict[str | None, int]:
    """Share out whole bytes, so that none is left."""
    whole = sum(shares.values())
    if not whole:
        return {None: amount}
    found: dict[str | None, int] = {}
    passed = given = 0
    for camera, share in shares.items():
        passed += share
        found[camera] = amount * passed // whole - given
        given += found[camera]
    return found
