"""`mirage inspect`: what a recording says, packet by packet.

JSON: {"header": {...birth...}, "packets": [{sequence, start_s, duration_s, caption, layers, still}, ...]}
"""

from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from mirage.output import as_json, print_line
from mirage.recordings import Opened, open_recording
from wire.documents import Birth
from wire.packet import Packet, layer_label
from wire.segment import Segment


class PacketView(msgspec.Struct, frozen=True):
    """One packet as its reader sees it; `layers` are payload bytes by name."""

    sequence: int
    start_s: float
    duration_s: float
    caption: str | None
    layers: dict[str, int]
    still: bool


class RecordingView(msgspec.Struct, frozen=True):
    """A whole recording."""

    header: Birth
    packets: tuple[PacketView, ...]


def view(opened: Opened) -> RecordingView:
    """Resolve captions that say "same as before" and name the layers. Raises InputError."""
    packets = opened.recording.packets
    segments = opened.segments()
    zero_ms = packets[0].captured_ms if packets else 0
    rows = (_row(packet, segment, zero_ms) for packet, segment in zip(packets, segments, strict=True))
    return RecordingView(opened.recording.birth, tuple(rows))


def main(path: Path, bundle: Path | None, *, json: bool) -> None:
    """Print a recording. Raises InputError and BundleError."""
    opened = open_recording(path, bundle, "cloud")
    shown = view(opened)
    if json:
        print_line(as_json(shown))
        return
    sizes = opened.recording.frame_sizes
    camera = opened.recording.camera
    table = Table(
        title=f"{path}: {camera.width}x{camera.height}, {camera.fps:g} fps, bundle {shown.header.bundle}",
        caption=f"{len(sizes)} packets, {sum(sizes)} bytes",
    )
    for name in ("#", "start s", "s", "caption", "layers (bytes)", "packet bytes"):
        table.add_column(name, justify="left" if name in {"caption", "layers (bytes)"} else "right")
    for row, size in zip(shown.packets, sizes, strict=True):
        layers = ", ".join(f"{name} {count}" for name, count in row.layers.items())
        caption = f"{row.caption or ''}{' (still)' if row.still else ''}"
        table.add_row(
            str(row.sequence), f"{row.start_s:.2f}", f"{row.duration_s:.2f}", caption, layers, str(size)
        )
    Console().print(table)


def _row(packet: Packet, segment: Segment, zero_ms: int) -> PacketView:
    return PacketView(
        packet.sequence,
        (packet.captured_ms - zero_ms) / 1000,
        packet.duration_ms / 1000,
        segment.caption,
        {layer_label(layer): len(payload) for layer, payload in sorted(packet.layers.items())},
        packet.still,
    )
