"""How two sampled pictures of one camera differ: a scene cut, something moved, or only noise.

The thresholds were set on 91 clips of public footage: within clips on 6,100 neighbouring samples
at 8/s, and on 3,000 random pairs from different clips as stand-ins for cuts.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

LOOK_PX = 160  # long side of the picture on which motion is looked for
BLOCK_PX = 5  # side of the blocks whose mean difference is judged
CUT_SCORE = 0.12  # histogram distance times (1 - correlation): 1 cut in 20 is below, 1 step in 400 above
CUT_STEP = 15.0  # grey levels
CUT_LEAP = 2.5  # a cut leaps this much further than the steps before it: a running camera does not
MOVED_LEVELS = 10.0  # grey levels of a block; trees in the wind and codecs stay below
_NOISE_GAIN = 5.0
_NOISE_CEILING = 3.0  # beyond, a median difference is a moving camera and not noise
_STRAY_BLOCKS = 2  # that many blocks may flicker: a clock display, a reflection


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One picture, reduced to what comparisons need."""

    gray: NDArray[np.float32]  # (h, w), long side LOOK_PX, smoothed
    colours: NDArray[np.float32]  # (512,) Lab histogram, sums to 1
    thumb: NDArray[np.float32]  # (18, 32, 3)
    sharpness: float  # variance of the Laplacian

    @classmethod
    def of(cls, rgb: NDArray[np.uint8]) -> "Look":
        """Reduce a picture (H, W, 3)."""
        scale = min(LOOK_PX / max(rgb.shape[:2]), 1.0)
        size = (max(round(rgb.shape[1] * scale), 1), max(round(rgb.shape[0] * scale), 1))
        small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
        gray = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
        tiny = cv2.resize(small, (64, 36), interpolation=cv2.INTER_AREA)
        lab = cv2.cvtColor(tiny, cv2.COLOR_RGB2LAB)
        colours = cv2.calcHist([lab], [0, 1, 2], None, [8, 8, 8], [0, 256] * 3)
        return cls(
            gray=cv2.GaussianBlur(gray.astype(np.float32), (0, 0), 1.0).astype(np.float32),
            colours=(colours.ravel() / colours.sum()).astype(np.float32),
            thumb=cv2.resize(tiny, (32, 18), interpolation=cv2.INTER_AREA).astype(np.float32),
            sharpness=float(cv2.Laplacian(gray, cv2.CV_32F).var()),
        )


def step(before: Look, after: Look) -> float:
    """Mean difference of the thumbnails in grey levels, 0 to 255."""
    return float(np.abs(after.thumb - before.thumb).mean())


def is_cut(before: Look, after: Look, usual_step: float) -> bool:
    """Whether a new scene begins, given the mean step of the samples before."""
    leap = step(before, after)
    if leap < CUT_STEP or leap < CUT_LEAP * usual_step:
        return False
    overlap = float(np.minimum(before.colours, after.colours).sum())
    return (1 - overlap) * (1 - _correlation(before, after)) > CUT_SCORE


def is_moved(before: Look, after: Look) -> bool:
    """Whether anything in the scene has moved or changed by more than sensor noise and exposure."""
    difference = after.gray - before.gray
    difference = np.abs(difference - np.median(difference))
    height, width = difference.shape
    size = (max(width // BLOCK_PX, 1), max(height // BLOCK_PX, 1))
    blocks = np.sort(cv2.resize(difference, size, interpolation=cv2.INTER_AREA).ravel())
    noise = min(float(np.median(blocks)), _NOISE_CEILING)
    strayed = min(_STRAY_BLOCKS, len(blocks) - 1)
    return bool(blocks[-1 - strayed] > max(MOVED_LEVELS, _NOISE_GAIN * noise))


def _correlation(before: Look, after: Look) -> float:
    left, right = (
        cv2.GaussianBlur(look.thumb.mean(axis=2), (0, 0), 1.0).astype(np.float64) for look in (before, after)
    )
    left, right = left - left.mean(), right - right.mean()
    # The constant keeps two nearly flat pictures alike: one grey level of contrast is nothing.
    energy = np.sqrt((left * left).sum() * (right * right).sum()) + left.size
    return float((left * right).sum() / energy)
