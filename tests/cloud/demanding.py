"""Packets that bind whoever receives them."""

from dataclasses import replace

from wire.packet import Layer, Packet
from wire.policy import Demands, binding

UNKNOWN = bytes((128, 63 | 128, 0))  # constraint 63, which may not be ignored


def bound_by(packet: Packet, demands: Demands | bytes) -> Packet:
    """Give a packet that demands this; bytes are a layer as it is."""
    layer = demands if isinstance(demands, bytes) else binding.encode(demands)
    return replace(packet, layers=dict(packet.layers) | ({Layer.POLICY: layer} if layer else {}))
