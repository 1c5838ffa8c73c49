"""A picture of the place gives a keyframe back what its coarse code has lost, where both show the same.

    keyframe --blur--> same colours as the anchor, blurred?  yes: + what the anchor has beyond its own blur
    anchor   --blur--'  (its light fitted to the keyframe)   no, something else is there: stays as it was

Whatever is not on the anchor, a person or a car, is not of its colours and is left alone. Pure.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Float = NDArray[np.float32]

BLUR = 1 / 24  # of the longer side: what the keyframes of the shipped bundle resolve
SAME, OTHER = 10.0, 26.0  # grey levels: up to here it is the place, from there on something else
_GAINS = 0.4, 2.5  # of light: from a dim evening to a bright noon
_FITTED = 0.6  # of the pixels, the nearest, by which light is fitted


class Ground:
    """Anchors of one place, as keyframes are drawn: `size` is width, height."""

    def __init__(self, anchors: Sequence[Picture], size: tuple[int, int]) -> None:
        self._sigma = max(size) * BLUR
        fitted = [cv2.resize(each, size, interpolation=cv2.INTER_AREA) for each in anchors]
        self._sharp = [np.asarray(each, np.float32) for each in fitted]
        self._blurred = [self._blur(each) for each in self._sharp]

    def under(self, key: Picture) -> Picture:
        """Give the keyframe (H, W, 3) with the details of the anchor that is most like it."""
        drawn = np.asarray(key, np.float32)
        blurred = self._blur(drawn)
        best, covered = drawn, 0.0
        for sharp, soft in zip(self._sharp, self._blurred, strict=True):
            gain, offset = _light(soft, blurred)
            apart = np.abs(soft * gain + offset - blurred).max(axis=2)
            alike = np.asarray(np.clip((OTHER - apart) / (OTHER - SAME), 0, 1), np.float32)
            share = self._blur(alike, 0.25)[..., None]
            if share.mean() > covered:
                detailed = blurred + (sharp - soft) * gain
                best = np.asarray(drawn + share * (detailed - drawn), np.float32)
                covered = float(share.mean())
        return np.asarray(best.round().clip(0, 255), np.uint8)

    def _blur(self, picture: Float, scale: float = 1.0) -> Float:
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), self._sigma * scale), np.float32)


def _light(soft: Float, blurred: Float) -> tuple[Float, Float]:
    """Fit gain and offset of each channel that make an anchor's light the keyframe's."""
    gain, offset = np.ones(3, np.float32), (blurred - soft).mean(axis=(0, 1))
    for _ in range(3):
        apart = np.abs(soft * gain + offset - blurred).max(axis=2)
        near = apart <= np.quantile(apart, _FITTED)
        for channel in range(3):
            x, y = soft[..., channel][near], blurred[..., channel][near]
            spread = max(float(x.var()), 1.0)
            gain[channel] = np.clip(((x - x.mean()) * (y - y.mean())).mean() / spread, *_GAINS)
            offset[channel] = y.mean() - gain[channel] * x.mean()
    return gain, np.asarray(offset, np.float32)
