"""How much of a keyframe the appearance encoders get to see.

What is averaged away before them is in no code that they make, whoever reads it. Noise only hides: who has
many codes of a scene that does not change can take its mean.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from wire.policy import Sender


def coarsened(rgb: NDArray[np.uint8], sender: Sender, chance: np.random.Generator) -> NDArray[np.uint8]:
    """Give a keyframe (H, W, 3) no finer than `picture_px`, with `noise`, where they are asked for."""
    picture = rgb if sender.picture_px is None else _averaged(rgb, sender.picture_px)
    if sender.noise:
        noisy = picture + chance.normal(0, sender.noise, picture.shape)
        picture = np.asarray(np.clip(np.round(noisy), 0, 255), np.uint8)
    return picture


def _averaged(rgb: NDArray[np.uint8], short_side_px: int) -> NDArray[np.uint8]:
    """Average to `short_side_px` and draw it as large as it was, without inventing anything."""
    height, width = rgb.shape[:2]
    scale = short_side_px / min(height, width)
    if scale >= 1:
        return rgb
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
