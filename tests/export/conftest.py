"""A footage folder small enough to train on within a test."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

CAPTIONS = ("a red wall with a blue stripe", "green leaves on a table", "a gray road from above")


def texture(seed: int, height: int = 96, width: int = 128) -> NDArray[np.uint8]:
    """Make a smooth coloured picture with enough detail for flow to hold on to."""
    noise = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    return np.asarray(cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def write_clip(path: Path, seed: int, seconds: float = 2.2, step_px: int = 6) -> None:
    """Write a clip in which a texture slides to the right by `step_px` a frame."""
    wide = texture(seed, width=320)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(12))
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for number in range(round(seconds * 12)):
            picture = np.ascontiguousarray(wide[:, 180 - step_px * number : 308 - step_px * number])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


@pytest.fixture(scope="session")
def footage_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six photographs and two clips with captions; one clip belongs to a held-out source."""
    folder = tmp_path_factory.mktemp("footage")
    (folder / "photos").mkdir()
    (folder / "clips").mkdir()
    rows = ["file\tcaption"]
    for number in range(6):
        name = f"wall-{number:04}.jpg"
        cv2.imwrite(str(folder / "photos" / name), texture(number))
        rows.append(f"{name}\t{CAPTIONS[number % 3]}")
    (folder / "photo-captions.tsv").write_text("\n".join(rows) + "\n")
    lines = []
    for number, name in enumerate(("yard-1.mp4", "bikes-1.mp4")):
        write_clip(folder / "clips" / name, 10 + number)
        lines.append(
            f'{{"file": "clips/{name}", "start_s": 0.0, "end_s": 2.0, "caption": "leaves slide to the right",'
            ' "camera": "pan-left", "motion": "fast", "people": 0}'
        )
    (folder / "captions.jsonl").write_text("\n".join(lines) + "\n")
    return folder
