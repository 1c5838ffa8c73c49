"""A camera that looks at one picture: what a scene costs in which nothing moves."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from edge.frame import Frame, SourceInfo

FPS = 8
NOISE = 2.0  # grey levels, as of a sensor


class FixedCamera:
    """Seconds of one picture, uint8 (H, W, 3), under the noise of a sensor; iterate once."""

    def __init__(self, picture: NDArray[np.uint8], seconds: int) -> None:
        self.info = SourceInfo(picture.shape[1], picture.shape[0], FPS, seconds, None, live=False)
        self.end_us = seconds * 1_000_000
        self.frames_read = 0
        self.attempts = 1
        self._picture = picture.astype(np.float32)
        self._frames = seconds * FPS

    def __iter__(self) -> Iterator[Frame]:
        random = np.random.default_rng(0)
        for number in range(self._frames):
            noise = random.normal(0, NOISE, self._picture.shape).astype(np.float32)
            rgb = (self._picture + noise).round().clip(0, 255).astype(np.uint8)
            self.frames_read += 1
            yield Frame(number * 1_000_000 // FPS, rgb)

    def close(self) -> None:
        """Release nothing."""
