"""What senders demand of whoever keeps, renders and shows what they sent. Pure.

    refresh   .         .         .        refresh   .         each packet has its own `policy` layer, and is
    demands | demands | demands | . . . .  demands | . . .     bound by those before it to its refresh, too
    '-------- all of them bind ---------'

A packet says what the ones before it did not change, so what those demand holds for it as well. One that
binds by what this version does not know is closed: it is stored, and nobody gets to see it before a later
version understands it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from cloud.access.roles import Role
from wire.packet import Layer, Packet
from wire.policy import Demands, PolicyError, UnknownConstraintError, binding

NOBODY = max(Role) + 1  # as `viewers`: no role may look
DAY_MS = 86_400_000
_NOTHING = Demands()
_CLOSED = b""  # stored of what is closed: no layer is empty
_UNKNOWN = "it hangs on a packet that binds by what this version does not know"


@dataclass(frozen=True, slots=True)
class Bound:
    """What is demanded for a segment; `closed` is why that is not known, if it is not."""

    demands: Demands = _NOTHING
    closed: str | None = None

    @classmethod
    def of(cls, packet: Packet) -> "Bound":
        """Read what one packet demands by itself."""
        try:
            return cls(demands_of(packet))
        except PolicyError as error:
            return cls(closed=str(error))

    @classmethod
    def read(cls, stored: bytes | None) -> "Bound":
        """Read what `stored` gave."""
        if stored is None:
            return cls()
        return cls(closed=_UNKNOWN) if stored == _CLOSED else cls(binding.decode(stored))

    @property
    def stored(self) -> bytes | None:
        """Give what is kept in a column: the layer that demands this, null where nothing binds."""
        if self.closed is not None:
            return _CLOSED
        return binding.encode(self.demands) or None

    @property
    def viewers(self) -> int:
        """Give the lowest role that may look."""
        return NOBODY if self.closed is not None else Role[self.demands.viewers.upper()]

    @property
    def published(self) -> bool:
        """Tell whether third parties may hear of it."""
        return self.closed is None and self.demands.publish

    def expires_ms(self, received_ms: int) -> int | None:
        """Tell when what was stored at `received_ms` has to be gone; None for never."""
        days = self.demands.keep_days
        return None if days is None else received_ms + days * DAY_MS

    def with_strictest(self, other: "Bound") -> "Bound":
        """Be bound by both; closed if one of them is."""
        if self.closed is not None:
            return self
        if other.closed is not None:
            return replace(other, closed=_UNKNOWN)
        return Bound(self.demands.with_strictest(other.demands))

    def covers(self, other: "Bound") -> bool:
        """Tell whether whoever obeys this obeys the other one, too."""
        return other.closed is None and self.with_strictest(other) == self


FREE = Bound()


def strictest(bounds: Iterable[Bound]) -> Bound:
    """Be bound by all of them."""
    found = FREE
    for each in bounds:
        found = found.with_strictest(each)
    return found


def demands_of(packet: Packet) -> Demands:
    """Read what a packet demands by itself. Raises BindingError, UnknownConstraintError; both name it."""
    payload = packet.layers.get(Layer.POLICY)
    if payload is None:
        return _NOTHING
    try:
        return binding.decode(payload)
    except binding.BindingError as error:
        raise binding.BindingError(f"packet {packet.sequence}: {error}") from error
    except UnknownConstraintError as error:
        raise UnknownConstraintError(f"packet {packet.sequence}: {error}") from error
