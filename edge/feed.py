"""What of the spool is sent next: live packets first, and the backlog beside them.

    positions   0 ---- backlog ---- split ---- live ---- newest       two cursors, both ascending
                       '--> boundary

What was sent and is not acknowledged after `resend_s` becomes backlog again, ever more rarely while that does
not help: the broker may have lost it, or the cloud may have had too much.
"""

from dataclasses import replace

from edge.ranges import Ranges
from edge.spool import Spool
from edge.stock import Spooled
from wire.packet import Packet

BACKLOG_S = 10.0  # a packet that waited longer is history
RESEND_S = 60.0
RESEND_LIMIT_S = 3600.0


class Feed:
    """For one thread. Times are monotonic, in seconds. `rewind` at the beginning of each connection."""

    def __init__(self, spool: Spool, resend_s: float = RESEND_S) -> None:
        self._spool = spool
        self._first_resend_s = self._resend_s = resend_s
        self._live = self._backlog = self._boundary = 0  # positions
        self._mark = 0  # everything up to here was sent when it was set
        self._mark_s: float | None = None
        self._left = 0  # of what is up to the mark
        self._published = Ranges()

    def rewind(self) -> None:
        """Offer everything that waits again."""
        self._live = self._boundary = self._spool.settled(BACKLOG_S)
        self._backlog = 0
        self._mark_s = None

    def live(self, limit: int) -> list[Spooled]:
        """Give the next packets and gap records that have just come."""
        return self._spool.pending(limit, self._live) if limit > 0 else []

    def backlog(self, limit: int) -> list[Spooled]:
        """Give the next of those that have waited."""
        if limit <= 0 or self._backlog >= self._boundary:
            return []
        found = self._spool.pending(limit, self._backlog)
        items = [item for item in found if item.position <= self._boundary]
        if len(items) < limit and not items:
            self._backlog = self._boundary
        return items

    def is_again(self, item: Spooled) -> bool:
        """Tell whether this process has published an item before."""
        return item.position in self._published

    def published(self, item: Spooled) -> None:
        """Note that an item went out."""
        self._published.add(item.position)

    def sent(self, item: Spooled) -> None:
        """Go on behind an item, which must be the next of its kind."""
        if item.position > self._live:
            self._live = item.position
        else:
            self._backlog = item.position

    def resends(self, now_s: float) -> bool:
        """Tell whether what was sent some time ago is offered again from now on."""
        if self._backlog < self._boundary:
            return False
        if self._mark_s is None:
            self._set_mark(self._live, now_s)
        elif now_s - self._mark_s >= self._resend_s:
            return self._is_stuck(now_s)
        return False

    def _is_stuck(self, now_s: float) -> bool:
        left = self._spool.waiting_through(self._mark)
        if left == 0:
            self._resend_s = self._first_resend_s
            self._mark_s = None
            return False
        if left < self._left:
            self._resend_s = self._first_resend_s
            self._set_mark(self._mark, now_s)
            return False
        self._backlog, self._boundary = 0, self._mark
        self._resend_s = min(self._resend_s * 2, RESEND_LIMIT_S)
        self._mark_s = None
        return True

    def _set_mark(self, position: int, now_s: float) -> None:
        self._mark, self._mark_s = position, now_s
        self._left = self._spool.waiting_through(position)


def marked(item: Spooled, boot_id: bytes, *, tells_boot: bool) -> Packet:
    """Mark what is not live any more: a packet of an earlier boot than `boot_id`, or one that waited.

    Unless a key `tells_boot`, each packet says its boot: it may overtake the birth. Raises PacketError.
    """
    packet = Packet.parse(item.body)
    foreign = item.boot_id != boot_id
    historical = foreign or item.waited_s >= BACKLOG_S
    named = foreign or not tells_boot
    if not historical and not named:
        return packet
    return replace(packet, historical=historical, boot_id=item.boot_id if named else None)
