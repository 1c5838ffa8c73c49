"""The table that says where each byte of a video's packets went."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich import box
from rich.markup import escape
from rich.table import Table

from wire.packet import Packet, layer_label
from wire.spent import HEADER


@dataclass(frozen=True, slots=True)
class Row:
    """One packet: `layers` are payload bytes by name, `packet_bytes` also count header and framing."""

    sequence: int
    start_s: float
    duration_s: float
    caption: str
    still: bool
    layers: Mapping[str, int]
    packet_bytes: int
    encode_ms: float | None = None
    render_ms: float | None = None


def layer_bytes(packet: Packet) -> dict[str, int]:
    """Give payload bytes by layer name."""
    return {layer_label(layer): len(payload) for layer, payload in sorted(packet.layers.items())}


def add_up(layers: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """Sum bytes by layer, in the order of first appearance."""
    total: dict[str, int] = {}
    for each in layers:
        for name, size in each.items():
            total[name] = total.get(name, 0) + size
    return total


def ledger_table(rows: Sequence[Row]) -> Table:
    """Draw one line per packet, one column per layer, and the sums below."""
    total = add_up([row.layers for row in rows])
    packet_bytes = sum(row.packet_bytes for row in rows)
    table = Table(show_footer=True, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("#", justify="right")
    table.add_column("seconds", no_wrap=True)
    table.add_column("caption", footer="bytes", ratio=1, min_width=18)
    for name, size in total.items():
        table.add_column(f"{name.replace('appearance-', '')}", footer=str(size), justify="right")
    table.add_column(HEADER, footer=str(packet_bytes - sum(total.values())), justify="right")
    table.add_column("packet", footer=str(packet_bytes), justify="right")
    if any(row.encode_ms is not None for row in rows):
        table.add_column("encode ms", justify="right")
    if any(row.render_ms is not None for row in rows):
        table.add_column("render ms", justify="right")
    for row in rows:
        table.add_row(*_cells(row, list(total)))
    return table


def _cells(row: Row, layers: Sequence[str]) -> list[str]:
    return [
        str(row.sequence),
        f"{row.start_s:.2f}-{row.start_s + row.duration_s:.2f}",
        escape(f"{row.caption}{' (still)' if row.still else ''}"),
        *(str(row.layers.get(name, "")) for name in layers),
        str(row.packet_bytes - sum(row.layers.values())),
        str(row.packet_bytes),
        *(f"{ms:.0f}" for ms in (row.encode_ms, row.render_ms) if ms is not None),
    ]
