"""Made-up films whose motion is known."""

import cv2
import numpy as np
from numpy.typing import NDArray


def texture(seed: int = 0, side: int = 320) -> NDArray[np.uint8]:
    """Draw smooth random colour (side, side, 3) with detail at several sizes."""
    random = np.random.default_rng(seed)
    total = np.zeros((side, side, 3), np.float32)
    for cells in (8, 20, 50):
        noise = random.normal(0, 1, (cells, cells, 3)).astype(np.float32)
        total += cv2.resize(noise, (side, side), interpolation=cv2.INTER_CUBIC)
    return np.clip(128 + 40 * total, 0, 255).astype(np.uint8)


def film(
    count: int, right_px: float = 0.0, down_px: float = 0.0, scale: float = 1.0, seed: int = 0
) -> NDArray[np.uint8]:
    """Make frames (count, 96, 160, 3); each step content goes so far and grows by `scale`."""
    ground = texture(seed)
    frames = []
    for number in range(count):
        grown = scale**number
        matrix = np.array(
            [
                [grown, 0, 80 - 160 * grown + number * right_px],
                [0, grown, 48 - 160 * grown + number * down_px],
            ]
        )
        frames.append(cv2.warpAffine(ground, matrix, (160, 96), flags=cv2.INTER_LINEAR))
    return np.stack(frames)
