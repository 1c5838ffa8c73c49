"""How a live view is doing, for who measures and for who wonders."""

from dataclasses import dataclass

from cloud.access.roles import Role
from cloud.hls.ledger import KEPT, Ledger, Stream
from cloud.hls.playlist import HOLD


@dataclass(frozen=True, slots=True)
class Listed:
    """When a segment came to be playable: stored at `stored_ms`, on the playlist at `listed_ms`."""

    segment: int
    start_ms: int
    stored_ms: int
    listed_ms: int


@dataclass(frozen=True, slots=True)
class LiveReport:
    """What a live view has shown since ever, and lately.

    `fragments` counts what was listed, of which `held` repeat a picture while nothing moved. Segments left
    out: `late` ones were not rendered in time, `failed` ones could not be. `recent` is in order.
    """

    fragments: int
    held: int
    late: int
    failed: int
    discontinuities: int
    recent: list[Listed]


def report(ledger: Ledger, stream: Stream, role: Role = Role.VIEWER) -> LiveReport:
    """Report on a camera; `recent` is what a role may see."""
    live = ledger.live(stream)
    if live is None:
        return LiveReport(0, 0, 0, 0, 0, [])
    recent: dict[int, Listed] = {}
    for row in ledger.window(stream, KEPT):
        if row.piece != HOLD:
            listed = Listed(row.packet_id, row.start_ms, row.stored_ms, row.listed_ms)
            recent.setdefault(row.packet_id, listed)
    shown = ledger.shown(recent, role)
    told = [listed for packet_id, listed in recent.items() if packet_id in shown]
    return LiveReport(live.number, live.held, live.late, live.failed, live.era, told)
