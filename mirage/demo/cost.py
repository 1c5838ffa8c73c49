"""What the bytes between agent and broker were spent on, as the demo shows and reports it."""

from collections.abc import Iterator

import msgspec
from rich import box
from rich.table import Table

from mirage.demo.meter import Direction, Totals

_MEANING = {
    "sem": "packets of segments",
    "birth": "what device, bundle and cameras are",
    "state": "ready, sleeping, lost",
    "telemetry": "how the device is",
    "ack": "what the cloud has stored",
    "connect": "connect, disconnect",
    "subscribe": "subscribe",
    "receipt": "receipts of QoS 1",
    "ping": "keep-alive",
}


class WireCost(msgspec.Struct, frozen=True):
    """Control packets of one kind in one direction; `payload_bytes` are part of `bytes`."""

    direction: str
    kind: str
    packets: int
    bytes: int
    payload_bytes: int


def wire_costs(totals: Totals) -> tuple[WireCost, ...]:
    """Order what a proxy counted: upwards first, the largest first."""
    ordered = sorted(totals.items(), key=lambda item: (item[0][0], -item[1].bytes))
    return tuple(
        WireCost(direction.name.lower(), kind, tally.packets, tally.bytes, tally.payload_bytes)
        for (direction, kind), tally in ordered
    )


def mqtt_bytes(costs: tuple[WireCost, ...]) -> int:
    """Add up both directions."""
    return sum(cost.bytes for cost in costs)


def birth_bytes(costs: tuple[WireCost, ...]) -> int:
    """Give what announcing the device cost."""
    up = Direction.UP.name.lower()
    return sum(cost.bytes for cost in costs if (cost.direction, cost.kind) == (up, "birth"))


def cost_table(costs: tuple[WireCost, ...]) -> Table:
    """Draw one line per direction and kind."""
    table = Table(show_footer=True, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("direction")
    table.add_column("spent on", footer="total")
    table.add_column("packets", justify="right", footer=str(sum(cost.packets for cost in costs)))
    table.add_column("payload", justify="right", footer=str(sum(cost.payload_bytes for cost in costs)))
    table.add_column("MQTT framing", justify="right", footer=str(sum(map(_framing, costs))))
    table.add_column("bytes", justify="right", footer=str(mqtt_bytes(costs)))
    for row in _rows(costs):
        table.add_row(*row)
    return table


def _framing(cost: WireCost) -> int:
    return cost.bytes - cost.payload_bytes


def _rows(costs: tuple[WireCost, ...]) -> Iterator[list[str]]:
    for cost in costs:
        what = _MEANING.get(cost.kind, cost.kind)
        numbers = (cost.packets, cost.payload_bytes, _framing(cost), cost.bytes)
        yield [cost.direction, f"{cost.kind}: {what}" if what != cost.kind else what, *map(str, numbers)]
