"""Segments: what packets say, for lists and search. Pure.

A caption may be "as before", so a segment hangs on the packet before it.
"""

import json
import unicodedata
from dataclasses import dataclass, replace

from cloud import scene
from cloud.bound import FREE, Bound
from cloud.bundles import Bundles
from wire.bundle import BundleError
from wire.documents import Birth
from wire.packet import Packet, PacketError, layer_label

HEADER_LABEL = "header"  # what of a frame is no layer: envelope, flags, sequence and times


@dataclass(frozen=True, slots=True)
class Reading:
    """What a packet says, and what binds that; `fault` is why it cannot be understood (yet)."""

    start_ms: int
    caption: str | None
    fault: str | None
    bound: Bound = FREE

    def under(self, bound: Bound) -> "Reading":
        """Give what may be known of it where that binds: what is closed says nothing."""
        if bound.closed is None:
            return replace(self, bound=bound)
        return Reading(self.start_ms, None, bound.closed, bound)


def read(
    packet: Packet, received_ms: int, birth: Birth | None, before: Reading | None, bundles: Bundles
) -> Reading:
    """Read a packet; `before` is what directly precedes it, if that is known and was understood."""
    if birth is None:
        return Reading(received_ms - packet.duration_ms, None, "the birth of its boot has not come yet")
    start_ms = birth.boot_wall_ms + packet.captured_ms
    try:
        codec = bundles.codec(birth.bundle_sha256)
        previous = None if before is None else before.caption
        caption = scene.read_caption(packet, previous, codec, known=before is not None)
        return Reading(start_ms, None if caption is None else composed(caption), None)
    except (BundleError, PacketError) as error:
        return Reading(start_ms, None, str(error))


def composed(caption: str) -> str:
    """Write accents as part of their letters: search takes those behind a letter for others."""
    return unicodedata.normalize("NFC", caption)


def layer_sizes(packet: Packet, frame_size: int) -> dict[str, int]:
    """Split a frame's bytes by layer; what is no payload is the header's."""
    sizes = {layer_label(layer): len(packet.layers[layer]) for layer in sorted(packet.layers)}
    return sizes | {HEADER_LABEL: frame_size - sum(sizes.values())}


def layers_json(packet: Packet, frame_size: int) -> str:
    """Write `layer_sizes` as it is stored."""
    return json.dumps(layer_sizes(packet, frame_size), separators=(",", ":"))
