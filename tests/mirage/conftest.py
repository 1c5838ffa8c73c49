"""Bundles without networks, and recordings made with them."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.bundles import write_bundle
from wire import documents, recording
from wire.bundle import Bundle
from wire.documents import Birth, CameraInfo
from wire.envelope import PlainEnvelope
from wire.motion import CameraMotion, Motion
from wire.packet import Packet
from wire.segment import Segment

MakeRecording = Callable[[Path, Sequence[str | None]], bytes]


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
