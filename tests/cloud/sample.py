"""A small bundle, a device that speaks for it, and a renderer simple enough to predict."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cloud.render.renderer import Context, frame_span, output_rate, output_size
from export.tables import text_tables, token_tables
from wire import documents, motion
from wire.bundle import Bundle
from wire.documents import Birth, CameraInfo
from wire.envelope import PlainEnvelope
from wire.packet import Layer, Packet
from wire.policy import Policy
from wire.segment import Codec, Segment
from wire.topics import DeviceTopics

CAPTIONS = (
    "a red car drives to the left",
    "a man walks slowly to the right",
    "a white boat moves away on the water",
    "nothing moves on an empty street",
    "two people talk at a table, the camera pans to the right",
)
CAMERA = CameraInfo(name="gate", width=1280, height=720, fps=10.0)
BOOT_WALL_MS = 1_790_000_000_000  # in 2026
LEVELS, COARSE = 8, 2
Shape = tuple[int, int, int]
SHAPE: Shape = (4, 4, 4)

_MANIFEST = """\
schema = 1
name = "sample"
licence = "Apache-2.0"
[captioner]
encoder = "captioner/encoder.onnx"
decoder = "captioner/decoder.onnx"
tokenizer = "captioner/tokenizer.json"
max_tokens = 24
start_token = 1
end_token = 2
tile_px = 160
mean = [0.5, 0.5, 0.5]
std = [0.5, 0.5, 0.5]
layout = ["frame", "frame", "frame", "flow"]
[appearance]
encoder = "appearance/encoder.onnx"
tables = "appearance/tables.npz"
input_px = 128
grid = [4, 4]
levels = 8
planes = 4
coarse_planes = 2
default_planes = 4
[text]
tables = "text/tables.npz"
[renderer]
backend = "preview"
[files]
"""


def tokens(seed: int, shape: Shape = SHAPE) -> NDArray[np.uint8]:
    """Tokens of this shape, as smooth as those of a picture."""
    rng = np.random.default_rng(seed)
    base = rng.integers(0, LEVELS, (shape[0], 1, 1))
    smooth = base + rng.integers(-1, 2, shape)
    return np.asarray(np.clip(smooth, 0, LEVELS - 1), np.uint8)


def write_bundle(folder: Path) -> Bundle:
    """Make a bundle whose receiver half works; the sender half is a row of placeholders."""
    _save(folder / "text/tables.npz", text_tables(CAPTIONS * 4))
    many = np.stack([tokens(seed) for seed in range(50)])
    resting = np.stack([np.arange(50), np.arange(50)], axis=1)  # what follows a picture is that picture
    _save(folder / "appearance/tables.npz", token_tables(many, LEVELS, COARSE, resting))
    names = ["captioner/encoder.onnx", "captioner/decoder.onnx", "captioner/tokenizer.json"]
    for name in (*names, "appearance/encoder.onnx"):
        _made(folder / name).write_bytes(name.encode())
    names += ["appearance/encoder.onnx", "appearance/tables.npz", "text/tables.npz"]
    hashes = [f'"{name}" = "{hashlib.sha256((folder / name).read_bytes()).hexdigest()}"' for name in names]
    (folder / "bundle.toml").write_text(_MANIFEST + "\n".join(hashes) + "\n")
    return Bundle.load(folder, "cloud")


def _save(path: Path, tables: Mapping[str, NDArray[np.generic]]) -> None:
    arrays: dict[str, Any] = dict(tables)
    np.savez(_made(path), **arrays)


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


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
        self.envelope = PlainEnvelope()

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

    def render(
        self, segment: Segment, context: Context, camera: CameraInfo, policy: Policy, seed: int
    ) -> NDArray[np.uint8]:
        del context
        first, end = frame_span(segment, output_rate(camera, policy))
        width, height = output_size(camera, policy.long_side_px)
        colour = np.zeros(3) if segment.tokens is None else segment.tokens[:3].mean((1, 2)) * 28 + seed
        frames = np.empty((end - first, height, width, 3), np.uint8)
        for index, frame in enumerate(frames):
            frame[:] = np.clip(colour + index, 0, 255).astype(np.uint8)
            place = (4, height // 2)
            cv2.putText(frame, segment.caption or "", place, cv2.FONT_HERSHEY_PLAIN, 0.6, (255, 255, 255))
        return frames
