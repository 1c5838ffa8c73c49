"""A device that speaks for a small bundle, and a renderer simple enough to predict."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from cloud.render.renderer import (
    Context,
    RenderCancelledError,
    frame_span,
    never,
    output_rate,
    output_size,
)
from tests.bundles import CAPTIONS, SHAPE, Shape, tokens
from wire import documents, motion
from wire.bundle import Bundle
from wire.documents import Birth, CameraInfo
from wire.envelope import Envelope, PlainEnvelope
from wire.packet import Layer, Packet
from wire.policy import Policy
from wire.segment import Codec, Segment
from wire.topics import DeviceTopics

CAMERA = CameraInfo(name="gate", width=1280, height=720, fps=10.0)
BOOT_WALL_MS = 1_790_000_000_000  # in 2026


@dataclass
class Device:
    """Composes birth, segments and packets as a device would; `boot` tells its starts apart."""

    bundle: Bundle
    name: str = "jetson-1"
    boot: int = 1
    cameras: Sequence[CameraInfo] = (CAMERA,)
    shape: Shape = SHAPE
    sequence: int = 0
    previous: dict[str, Segment] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.topics = DeviceTopics("acme", "north", self.name)
        self.codec: Codec = self.bundle.codec()
        self.envelope: Envelope = PlainEnvelope()

    @property
    def boot_hex(self) -> str:
        return f"{self.boot:016x}"

    def birth(self, boot_wall_ms: int = BOOT_WALL_MS) -> bytes:
        return documents.encode(
            Birth(
                device=self.name,
                boot_id=self.boot_hex,
                boot_wall_ms=boot_wall_ms,
                wall_error_ms=50,
                software="test 1",
                bundle=self.bundle.manifest.name,
                bundle_sha256=self.bundle.short_sha256,
                cameras=tuple(self.cameras),
            )
        )

    def packet(
        self,
        caption: str | None = CAPTIONS[0],
        *,
        camera: str = "gate",
        seed: int | None = None,
        start_ms: int | None = None,
        duration_ms: int = 1000,
        refresh: bool = False,
        still: bool = False,
        cut: bool = False,
    ) -> Packet:
        """Compose the next packet; the first one of a camera is a refresh."""
        before = self.previous.get(camera)
        if start_ms is None:
            start_ms = 0 if before is None else before.start_ms + before.duration_ms
        segment = Segment(
            start_ms=start_ms,
            duration_ms=duration_ms,
            caption=caption,
            motion=motion.Motion(motion.CameraMotion(pan_x=0.25)),
            tokens=tokens(self.sequence if seed is None else seed, self.shape),
            keyframe_ms=0,
            still=still,
            cut=cut,
            sequence=self.sequence,
        )
        refresh = refresh or before is None
        layers = self.codec.layers(segment, None if refresh else before, None)
        made = Packet(segment.sequence, start_ms, duration_ms, layers, still=still, refresh=refresh, cut=cut)
        self.previous[camera] = self.codec.resolve(made, before)
        self.sequence += 1
        return made

    def frame(self, packet: Packet, camera: str = "gate") -> bytes:
        return self.envelope.wrap(bytes(packet), self.topics.sem(camera))


def layer_bytes(packet: Packet) -> Mapping[str, int]:
    return {Layer(layer).label: len(payload) for layer, payload in packet.layers.items()}


class MeanRenderer:
    """Fills every frame with the tokens' mean as colour and writes the caption on it."""

    name = "mean-1"
    carries = 0

    def render(
        self,
        segment: Segment,
        context: Context,
        camera: CameraInfo,
        policy: Policy,
        seed: int,
        cancelled: Callable[[], bool] = never,
    ) -> NDArray[np.uint8]:
        del context, cancelled
        first, end = frame_span(segment, output_rate(camera, policy))
        width, height = output_size(camera, policy.long_side_px)
        colour = np.zeros(3) if segment.tokens is None else segment.tokens[:3].mean((1, 2)) * 28 + seed
        frames = np.empty((end - first, height, width, 3), np.uint8)
        for index, frame in enumerate(frames):
            frame[:] = np.clip(colour + index, 0, 255).astype(np.uint8)
            place = (4, height // 2)
            cv2.putText(frame, segment.caption or "", place, cv2.FONT_HERSHEY_PLAIN, 0.6, (255, 255, 255))
        return frames


STEPS = 4


class CarryingRenderer:
    """Goes on from the last frame by one level a frame, or begins at level `start`. Asks at each step.

    `carried` lists what it was given: levels of the frames, or None.
    """

    carries = 3

    def __init__(self, start: int = 10, name: str = "carry-1") -> None:
        self.start = start
        self.name = name
        self.steps = 0
        self.carried: list[list[int] | None] = []
        self.anchors: list[int] = []

    def render(
        self,
        segment: Segment,
        context: Context,
        camera: CameraInfo,
        policy: Policy,
        seed: int,
        cancelled: Callable[[], bool] = never,
    ) -> NDArray[np.uint8]:
        del seed
        for _ in range(STEPS):
            if cancelled():
                raise RenderCancelledError(f"segment {segment.sequence}")
            self.steps += 1
        carried = context.carried
        self.carried.append(None if carried is None else [int(level) for level in carried[:, 0, 0, 0]])
        self.anchors.append(len(context.anchors))
        first, end = frame_span(segment, output_rate(camera, policy))
        width, height = output_size(camera, policy.long_side_px)
        begin = self.start if carried is None else int(carried[-1, 0, 0, 0]) + 1
        levels = np.arange(begin, begin + end - first, dtype=np.uint8)
        return np.broadcast_to(levels[:, None, None, None], (end - first, height, width, 3)).copy()
