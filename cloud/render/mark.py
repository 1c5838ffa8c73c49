"""The visible mark that every reconstructed picture carries: small, always there.

It is at the top left, because players draw their controls over the bottom.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

TEXT = "AI-reconstructed"

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_OVERSIZE = 8  # text is drawn this much larger and shrunk: fonts hint badly at 7 pixels
_CAPITAL_AT_SCALE_1 = 22.0  # pixels, of this font
_MIN_CAPITAL_PX = 7  # legible in a picture of 256x144
_SHARE_OF_SHORT_SIDE = 0.045
_PLATE_OPACITY = 0.55


@dataclass(frozen=True, slots=True)
class _Plate:
    """Where the mark goes, and by how much it darkens (`keep`) and lightens (`add`) what is there."""

    top: int
    left: int
    keep: NDArray[np.float32]  # (h, w, 1)
    add: NDArray[np.float32]  # (h, w, 1)


def mark(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return marked copies of frames (T, H, W, 3)."""
    plate = _plate(frames.shape[1], frames.shape[2])
    marked = frames.copy()
    height, width = plate.keep.shape[:2]
    window = marked[:, plate.top : plate.top + height, plate.left : plate.left + width]
    window[:] = np.rint(window * plate.keep + plate.add).astype(np.uint8)
    return marked


@lru_cache(maxsize=8)
def _plate(height: int, width: int) -> _Plate:
    margin = max(1, round(min(height, width) * 0.02))
    capital = max(_MIN_CAPITAL_PX, round(min(height, width) * _SHARE_OF_SHORT_SIDE))
    text = _text(capital)
    fits = min(1.0, (width - 2 * margin) / text.shape[1], (height - 2 * margin) / text.shape[0])
    if fits < 1:
        size = max(1, int(text.shape[1] * fits)), max(1, int(text.shape[0] * fits))
        text = np.asarray(cv2.resize(text, size, interpolation=cv2.INTER_AREA), np.float32)
    ink = text[..., None]
    return _Plate(
        top=min(margin, max(0, height - ink.shape[0])),
        left=min(margin, max(0, width - ink.shape[1])),
        keep=(1 - ink) * (1 - _PLATE_OPACITY),
        add=ink * 255,
    )


def _text(capital_px: int) -> NDArray[np.float32]:
    """Coverage (h, w) in 0..1 of the text, its capitals `capital_px` high, with a border of half of that."""
    scale = _OVERSIZE * capital_px / _CAPITAL_AT_SCALE_1
    stroke = max(1, round(_OVERSIZE * capital_px / 9))
    border = _OVERSIZE * capital_px // 2
    (width, height), descent = cv2.getTextSize(TEXT, _FONT, scale, stroke)
    large = np.zeros((height + descent + 2 * border, width + 2 * border), np.uint8)
    cv2.putText(large, TEXT, (border, border + height), _FONT, scale, 255, stroke, cv2.LINE_AA)
    size = max(1, large.shape[1] // _OVERSIZE), max(1, large.shape[0] // _OVERSIZE)
    small = cv2.resize(large, size, interpolation=cv2.INTER_AREA)
    return np.asarray(small / np.float32(255), np.float32)
