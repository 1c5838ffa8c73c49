"""`mirage inspect`: what a recording says, packet by packet.

JSON: {"header": {...birth...},
       "packets": [{sequence, start_s, duration_s, caption, layers, still, depth, binds}, ...]}
"""

from pathlib import Path

import msgspec

from mirage.ledger import Row, layer_bytes, ledger_table
from mirage.output import as_json, print_line, print_tables
from mirage.recordings import Opened, open_recording
from wire.documents import Birth
from wire.packet import Layer, Packet
from wire.policy import Demands, PolicyError, binding
from wire.segment import Segment


class PacketView(msgspec.Struct, frozen=True):
    """One packet as its reader sees it; `layers` are payload bytes by name.

    `depth` is how many planes of appearance tokens are known then, on average of all cells. `binds` is what
    the sender demands of whoever receives it: None for nothing, a text where this version cannot read it.
    """

    sequence: int
    start_s: float
    duration_s: float
    caption: str | None
    layers: dict[str, int]
    still: bool
    depth: float
    binds: Demands | str | None = None


class RecordingView(msgspec.Struct, frozen=True):
    """A whole recording."""

    header: Birth
    packets: tuple[PacketView, ...]


def view(opened: Opened) -> RecordingView:
    """Resolve captions that say "same as before" and name the layers. Raises InputError.

    A gap record has no caption.
    """
    packets = opened.recording.packets
    seen = {segment.sequence: segment for segment in opened.segments()}
    zero_ms = packets[0].captured_ms if packets else 0
    views = (
        PacketView(
            packet.sequence,
            (packet.captured_ms - zero_ms) / 1000,
            packet.duration_ms / 1000,
            seen[packet.sequence].caption if packet.sequence in seen else None,
            layer_bytes(packet),
            packet.still,
            _depth(seen.get(packet.sequence)),
            _binds(packet),
        )
        for packet in packets
    )
    return RecordingView(opened.recording.birth, tuple(views))


def _depth(segment: Segment | None) -> float:
    memory = None if segment is None else segment.memory
    return 0.0 if memory is None else float(memory.depth.mean())


def _binds(packet: Packet) -> Demands | str | None:
    layer = packet.layers.get(Layer.POLICY)
    try:
        return None if layer is None else binding.decode(layer)
    except PolicyError as error:
        return str(error)


def _bound(shown: RecordingView) -> list[str]:
    """Say what binds the receiver, once for all packets that say the same."""
    said = dict.fromkeys(
        each.binds if isinstance(each.binds, str) else _demands(each.binds) for each in shown.packets
    )
    return [f"binds its receiver: {text}" for text in said if text]


def _demands(demands: Demands | None) -> str:
    if demands is None:
        return ""
    plain = Demands()
    stated = {name: getattr(demands, name) for name in Demands.__struct_fields__}
    return ", ".join(f"{name} = {value}" for name, value in stated.items() if value != getattr(plain, name))


def main(path: Path, bundle: Path | None, *, json: bool) -> None:
    """Print a recording. Raises InputError and BundleError."""
    opened = open_recording(path, bundle, "cloud")
    shown = view(opened)
    if json:
        print_line(as_json(shown))
        return
    rows = [
        Row(each.sequence, each.start_s, each.duration_s, each.caption or "", each.still, each.layers, size)
        for each, size in zip(shown.packets, opened.recording.frame_sizes, strict=True)
    ]
    camera = opened.recording.camera
    title = f"{path}: {camera.width}x{camera.height}, {camera.fps:g} fps, bundle {shown.header.bundle}"
    print_tables(title, ledger_table(rows), *_bound(shown))
