"""Segments: what packets say, for lists and search. Pure.

A caption may be "as before", so a segment hangs on the packet before it.
"""

import json
from dataclasses import dataclass

from cloud import scene
from cloud.bundles import Bundles
from wire.bundle import BundleError
from wire.documents import Birth
from wire.packet import Packet, PacketError, layer_label

HEADER_LABEL = "header"  # what of a frame is no layer: envelope, flags, sequence and times


@dataclass(frozen=True, slots=True)
class Reading:
    """What a packet says; `fault` is why it cannot be understood (yet)."""

    start_ms: int
    caption: str | None
    fault: str | None


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
        return Reading(start_ms, scene.read_caption(packet, previous, codec, known=before is not None), None)
    except (BundleError, PacketError) as error:
        return Reading(start_ms, None, str(error))


def layer_sizes(packet: Packet, frame_size: int) -> dict[str, int]:
    """Split a frame's bytes by layer; what is no payload is the header's."""
    sizes = {layer_label(layer): len(packet.layers[layer]) for layer in sorted(packet.layers)}
    return sizes | {HEADER_LABEL: frame_size - sum(sizes.values())}


def layers_json(packet: Packet, frame_size: int) -> str:
    """Write `layer_sizes` as it is stored."""
    return json.dumps(layer_sizes(packet, frame_size), separators=(",", ":"))
