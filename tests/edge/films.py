"""Small films, made by PyAV, with the properties that real ones bring along."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

Pictures = NDArray[np.uint8]  # (T, H, W, 3)


def texture(seed: int, height: int = 360, width: int = 640) -> NDArray[np.uint8]:
    """Make a picture (H, W, 3) with detail of several sizes in it."""
    random = np.random.default_rng(seed)
    layers = [
        cv2.resize(random.uniform(0, 255, (height // step + 2, width // step + 2, 3)), (width, height))
        for step in (8, 24, 80)
    ]
    return np.clip(sum(layers) / len(layers), 0, 255).astype(np.uint8)


def panned(picture: NDArray[np.uint8], size: tuple[int, int], offsets: Iterable[tuple[int, int]]) -> Pictures:
    """Cut windows of `size` (width, height) out of a picture, at offsets (x, y)."""
    width, height = size
    return np.stack([picture[y : y + height, x : x + width] for x, y in offsets])


def noisy(pictures: Pictures, sigma: float, seed: int = 0) -> Pictures:
    """Add the noise of a sensor."""
    noise = np.random.default_rng(seed).normal(0, sigma, pictures.shape)
    return np.clip(pictures + noise, 0, 255).astype(np.uint8)


def write_film(
    path: Path,
    pictures: Pictures,
    times_ms: Sequence[int] | None = None,
    *,
    rotation: int = 0,
    pixels: str = "yuv420p",
    options: dict[str, str] | None = None,
) -> Path:
    """Write pictures shown at times_ms (25 frames/s if None); the ending of the name says the container."""
    times = list(times_ms) if times_ms is not None else [40 * index for index in range(len(pictures))]
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream("libx264", rate=Fraction(25))
        stream.height, stream.width = pictures.shape[1:3]
        stream.pix_fmt = pixels
        stream.codec_context.options = {"preset": "ultrafast"}
        stream.codec_context.time_base = Fraction(1, 1000)
        if rotation:
            stream.set_display_rotation(rotation)
        for picture, time_ms in zip(pictures, times, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = time_ms, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
