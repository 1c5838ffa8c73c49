"""A bundle with real tables and no networks, and a recording made with it."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from export.tables import text_tables, token_tables
from wire import documents, recording
from wire.bundle import Bundle
from wire.documents import Birth, CameraInfo
from wire.envelope import PlainEnvelope
from wire.motion import CameraMotion, Motion
from wire.packet import Packet
from wire.segment import Segment

MakeRecording = Callable[[Path, Sequence[str | None]], bytes]
CAPTIONS = ("a dog runs across the grass", "a man walks along a street", "the camera pans over a field")
MANIFEST = """\
schema = 1
name = "{name}"
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


def write_bundle(root: Path, name: str) -> Path:
    """Make a bundle that `mirage inspect` can use; its graphs are no graphs."""
    random = np.random.default_rng(1)
    for folder in ("captioner", "appearance", "text"):
        (root / folder).mkdir(parents=True)
    graphs = ("captioner/encoder.onnx", "captioner/decoder.onnx", "captioner/tokenizer.json")
    for graph in (*graphs, "appearance/encoder.onnx"):
        (root / graph).write_bytes(b"none")
    np.savez(root / "text/tables.npz", **text_tables(CAPTIONS * 20))  # type: ignore[arg-type]
    tokens = random.integers(0, 8, (64, 4, 4, 4)).astype(np.uint8)
    np.savez(root / "appearance/tables.npz", **token_tables(tokens, 8, 2))  # type: ignore[arg-type]
    files = sorted(path for path in root.rglob("*") if path.is_file())
    hashes = [
        f'"{path.relative_to(root)}" = "{hashlib.sha256(path.read_bytes()).hexdigest()}"' for path in files
    ]
    (root / "bundle.toml").write_text(MANIFEST.format(name=name) + "\n".join(hashes) + "\n")
    return root


@pytest.fixture(scope="session")
def tables_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("bundle") / "tables", "tables")


@pytest.fixture(scope="session")
def other_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("bundle") / "other", "other")


@pytest.fixture(scope="session")
def make_recording() -> MakeRecording:
    """Give `made_recording`: (bundle folder, captions) to the bytes of a recording."""
    return made_recording


def made_recording(folder: Path, captions: Sequence[str | None]) -> bytes:
    """Make a recording with a segment of 2 s per caption, the third and later ones still."""
    bundle = Bundle.load(folder)
    codec = bundle.codec()
    tokens = np.random.default_rng(2).integers(0, 8, (4, 4, 4)).astype(np.uint8)
    motion = Motion(CameraMotion(0.25, 0.0, 0.0, 0.0), ())
    previous: Segment | None = None
    envelope, frames = PlainEnvelope(), []
    for number, caption in enumerate(captions):
        start_ms, still = 2000 * number, number > 1
        segment = Segment(start_ms, 2000, caption, motion, tokens, 100, still, cut=False, sequence=number)
        layers = codec.layers(segment, previous, None)
        packet = Packet(number, start_ms, 2000, layers, still, refresh=number == 0)
        frames.append(envelope.wrap(bytes(packet), ""))
        previous = codec.resolve(packet, previous)
    birth = Birth(
        device="file",
        boot_id="0123456789abcdef",
        boot_wall_ms=0,
        wall_error_ms=0,
        software="test",
        bundle=bundle.manifest.name,
        bundle_sha256=bundle.short_sha256,
        cameras=(CameraInfo("cam", 192, 108, 25.0),),
    )
    assert documents.encode(birth)
    return recording.write(birth, frames)
