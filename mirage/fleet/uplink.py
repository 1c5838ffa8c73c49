"""The agent's uplink and spool, for a thread that has hundreds of them: each goes one turn at a time.

    connect --> turn, turn, ...  --> cut (no goodbye: the will speaks) | leave (state sleeping)

What a turn does is edge/uplink.py's; who calls waits for all sockets at once, and paces what is tried again.
"""

import time
from pathlib import Path

from edge.allowance import Purpose
from edge.link import Link, LinkError
from edge.spool import Spool
from edge.stock import Spooled
from edge.uplink import Uplink
from wire.documents import AckWatermark

_READS = 2  # of a turn: TLS may hold a second message when select() has seen the first


class Deliveries:
    """When packets were published and acknowledged; for one thread."""

    def __init__(self) -> None:
        self.ack_s = list[float]()
        self.again = 0
        self._offered: dict[int, float] = {}  # sequence -> when it was published last

    def sent(self, sequence: int, now_s: float) -> None:
        """Note that a packet was published."""
        self.again += sequence in self._offered
        self._offered[sequence] = now_s

    def acknowledged(self, watermark: AckWatermark, now_s: float) -> None:
        """Note what the cloud has."""
        held = [each for each in self._offered if _covers(watermark, each)]
        self.ack_s += [now_s - self._offered.pop(each) for each in held]


class WatchedSpool(Spool):
    """The agent's spool, in memory; says what is acknowledged."""

    def __init__(self, deliveries: Deliveries) -> None:
        super().__init__(Path(":memory:"))
        self._deliveries = deliveries

    def acknowledge(self, boot_id: bytes, watermark: AckWatermark) -> int:
        if boot_id == self.boot_id:
            self._deliveries.acknowledged(watermark, time.monotonic())
        return super().acknowledge(boot_id, watermark)


class SteppedUplink(Uplink):
    """Lives through its connections from outside. `deliveries` is told of each packet that goes out."""

    deliveries: Deliveries
    _link: Link | None = None

    @property
    def is_up(self) -> bool:
        return self._link is not None

    def fileno(self) -> int:
        """Give the socket's descriptor; -1 without a connection."""
        return -1 if self._link is None else self._link.fileno()

    def connect(self) -> None:
        """Connect and say who this is. Raises LinkError."""
        if not self._admits(Purpose.CONNECTION, self._budget.standing.connection_bytes):
            raise LinkError("the budget has no room for a connection")
        link = self._connected()
        self._link = link
        try:
            self._greet(link)
        except LinkError:
            self.cut()
            raise

    def turn(self) -> None:
        """Send what may go, and take what has come. Raises LinkError once the connection is gone.

        Without a connection, note the minutes that pass.
        """
        if self._link is None:
            self._teller.look(time.monotonic())
            return
        try:
            self._pump(self._link, time.monotonic())
            for _ in range(_READS):
                self._link.step(0.0)
            self._books.settle(self._link.carried)
            self._heed_refused(self._link)
        except LinkError:
            self.cut()
            raise

    def cut(self) -> None:
        """End the connection as a tunnel does."""
        if self._link is not None:
            self._link.drop()
            self._books.settle(self._link.carried, closed=True)
            self._link = None

    def leave(self) -> None:
        """Say goodbye, and end the connection. Raises LinkError."""
        if self._link is None:
            return
        try:
            self._leave(self._link)
        finally:
            self.cut()

    def _send(self, link: Link, item: Spooled, purpose: Purpose) -> bool:
        sent = super()._send(link, item, purpose)
        if sent:
            self.deliveries.sent(item.sequence, time.monotonic())
        return sent


def _covers(watermark: AckWatermark, sequence: int) -> bool:
    if sequence > watermark.highest:
        return False
    return not any(first <= sequence <= last for first, last in watermark.holes)
