"""Which sequences of a boot are stored: everything up to a highest one, but for some holes. Pure."""

import json
from dataclasses import dataclass

from wire.documents import AckWatermark

MAX_ACK_HOLES = 256  # 64 KiB hold far more; a device that needs more hears of the rest as these close


@dataclass(frozen=True, slots=True)
class Watermark:
    """All of 0..highest is stored, except in `holes`: disjoint ascending (first, last), both included."""

    highest: int = -1
    holes: tuple[tuple[int, int], ...] = ()

    @classmethod
    def parse(cls, highest: int, holes: str) -> "Watermark":
        """Read what `holes_json` wrote."""
        return cls(highest, tuple((first, last) for first, last in json.loads(holes)))

    @property
    def holes_json(self) -> str:
        return json.dumps(self.holes, separators=(",", ":"))

    def add(self, first: int, last: int) -> "Watermark":
        """Count `first` to `last`, both included, as stored."""
        if first == self.highest + 1 <= last:
            return Watermark(last, self.holes)
        holes = [hole for low, high in self.holes for hole in _without(low, high, first, last)]
        if first > self.highest + 1:
            holes.append((self.highest + 1, first - 1))
        return Watermark(max(self.highest, last), tuple(holes))

    def missing(self, first: int, last: int) -> list[tuple[int, int]]:
        """Give what of `first` to `last` is not stored."""
        holes = [(max(low, first), min(high, last)) for low, high in self.holes]
        parts = [*holes, (max(first, self.highest + 1), last)]
        return [(low, high) for low, high in parts if low <= high]

    def acknowledged(self) -> AckWatermark | None:
        """Say what to tell the device; None as long as nothing is stored.

        With more holes than fit, it claims less than is stored, which costs a resend and never a packet.
        """
        if self.highest < 0:
            return None
        if len(self.holes) <= MAX_ACK_HOLES:
            return AckWatermark(self.highest, self.holes)
        return AckWatermark(self.holes[MAX_ACK_HOLES][0] - 1, self.holes[:MAX_ACK_HOLES])


def _without(low: int, high: int, first: int, last: int) -> list[tuple[int, int]]:
    """Give what remains of a hole once `first` to `last` is filled."""
    parts = [(low, min(high, first - 1)), (max(low, last + 1), high)]
    return [(low, high)] if last < low or first > high else [part for part in parts if part[0] <= part[1]]
