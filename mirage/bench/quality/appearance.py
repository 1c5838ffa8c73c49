"""The bundle's appearance code by itself: a keyframe to payload and back, by the ways that packets take."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cloud.render.load import load_renderer
from cloud.render.renderer import Context, output_size
from edge.appearance import AppearanceEncoder
from edge.runtime import Runtime
from mirage.errors import InputError
from wire.bundle import Bundle
from wire.documents import CameraInfo
from wire.packet import Layer, Packet
from wire.policy import Policy
from wire.segment import Segment

LONG_SIDE_PX = 256  # at which everything is compared
_FRAME_MS = 125

Picture = NDArray[np.uint8]  # (H, W, 3)


@dataclass(frozen=True, slots=True, eq=False)
class Depicted:
    """A keyframe as the receiver draws it; `payload_bytes` are those of its appearance layers."""

    picture: Picture
    payload_bytes: int


class AppearanceCode:
    """Encodes single keyframes, each by itself: nothing is known of an earlier one."""

    def __init__(self, bundle: Bundle, threads: int = 1) -> None:
        info = bundle.manifest.appearance
        if info is None:
            raise InputError(
                f"{bundle.root}: bundle {bundle.manifest.name} has no appearance code to measure"
            )
        self.planes = tuple(range(info.coarse_planes, info.planes + 1))
        self._encoder = AppearanceEncoder(bundle, Runtime(threads))
        self._codec = bundle.codec()
        self._renderer = load_renderer(bundle, threads)

    def tokens(self, keyframe: Picture) -> NDArray[np.uint8]:
        """Encode a keyframe of any size to tokens (D, h, w)."""
        return self._encoder.encode(keyframe)

    def payload_bytes(self, tokens: NDArray[np.uint8], planes: int) -> int:
        """Count the bytes of the appearance layers with `planes` of the planes."""
        return _payload(self._layers(tokens, planes))

    def depict(self, tokens: NDArray[np.uint8], planes: int, width: int, height: int) -> Depicted:
        """Send `planes` planes and draw what arrives at the comparison size of a camera of this aspect."""
        layers = self._layers(tokens, planes)
        packet = Packet(0, 0, _FRAME_MS, layers, still=True, refresh=True)
        segment = self._codec.resolve(packet, None)
        camera = CameraInfo("still", width, height, 1000 / _FRAME_MS)
        policy = Policy(long_side_px=LONG_SIDE_PX)
        frames = self._renderer.render(segment, Context(None, None), camera, policy, 0)
        return Depicted(np.ascontiguousarray(frames[0]), _payload(layers))

    def planes_near(self, tokens: Sequence[NDArray[np.uint8]], target_bytes: int) -> int:
        """Choose the number of planes whose mean payload over these keyframes is nearest to the target."""

        def away(planes: int) -> float:
            return abs(float(np.mean([self.payload_bytes(each, planes) for each in tokens])) - target_bytes)

        return min(self.planes, key=away)

    def _layers(self, tokens: NDArray[np.uint8], planes: int) -> dict[int, bytes]:
        segment = Segment(0, _FRAME_MS, None, None, tokens, 0, still=True, cut=False)
        return self._codec.layers(segment, None, planes)


def comparison_size(width: int, height: int) -> tuple[int, int]:
    """Width and height at which clips of this size are compared: what the renderer gives."""
    return output_size(CameraInfo("source", width, height, 25.0), LONG_SIDE_PX)


def _payload(layers: dict[int, bytes]) -> int:
    return sum(len(layers.get(layer, b"")) for layer in (Layer.APPEARANCE_TOKENS, Layer.APPEARANCE_DETAIL))
