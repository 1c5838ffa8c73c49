"""Makes a codec cost the same bytes: scaled down in size and rate, at the best quality that still fits.

frames --drop--> rate --area--> size --CRF search--> at most `budget_bytes`
                                             '--> cubic, held --> frames as they were
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

from mirage.bench.quality.codecs import Coded, Coder, decode, encode

Frames = NDArray[np.uint8]  # (T, H, W, 3)
RATES = (1, 2, 4, 8)  # pictures a second
LONG_SIDES_PX = (32, 48, 64, 96, 128, 192, 256)
_SHORTEST_PX = 16  # x265 takes no less


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """One setting of a codec and what it gives; `fits` is false for a floor that costs more than allowed."""

    coder: Coder
    coded: Coded
    width: int
    height: int
    fps: Fraction
    crf: int
    fits: bool

    def frames(self) -> Frames:
        """Decode, at the size and rate of the setting."""
        return decode(self.coder, self.coded)

    def picture(self, width: int, height: int) -> Frames:
        """Decode the first frame and scale it up: (height, width, 3)."""
        return np.asarray(enlarge(self.frames()[:1], width, height)[0], np.uint8)


def best_of_rates(coder: Coder, frames: Frames, rate: int, budget_bytes: int) -> list[tuple[Fitted, Frames]]:
    """Give every size and rate that fits, with its frames scaled up again in size and time; else the floor.

    `frames` are at `rate` a second. Of each group that becomes one coded frame the middle one is coded
    and shown for the whole group.
    """
    found: list[Fitted] = []
    for slower in RATES:
        group = rate // slower
        kept = frames[group // 2 :: group]
        if len(kept):
            found += fits_of(coder, kept, Fraction(slower), budget_bytes)
    fitting = [each for each in found if each.fits]
    chosen = fitting or [min(found, key=lambda each: each.coded.payload_bytes)]
    return [(each, _restored(each, frames.shape, rate)) for each in chosen]


def _restored(fitted: Fitted, shape: tuple[int, ...], rate: int) -> Frames:
    shown = enlarge(fitted.frames(), shape[2], shape[1])
    group = rate // int(fitted.fps)
    return shown[np.minimum(np.arange(shape[0]) // group, len(shown) - 1)]


def fits_of(coder: Coder, frames: Frames, fps: Fraction, budget_bytes: int) -> Iterator[Fitted]:
    """Yield the best quality of every size that costs at most `budget_bytes`; else the floor alone.

    Sizes keep the aspect of `frames` and do not exceed them. Where the lowest quality of a size is too
    dear, larger ones are not tried.
    """
    found = False
    for width, height in sizes(frames.shape[2], frames.shape[1]):
        fitted = fit(coder, shrink(frames, width, height), fps, budget_bytes)
        if not fitted.fits:
            if not found:
                yield fitted
            return
        found = True
        yield fitted


def fit(coder: Coder, frames: Frames, fps: Fraction, budget_bytes: int) -> Fitted:
    """Search the lowest CRF that costs at most `budget_bytes`; the highest there is where none does."""
    height, width = frames.shape[1:3]
    best_crf, best = coder.worst_crf, encode(coder, frames, fps, coder.worst_crf)
    fits = best.payload_bytes <= budget_bytes
    low, high = 0, coder.worst_crf
    while fits and low < high:
        middle = (low + high) // 2
        coded = encode(coder, frames, fps, middle)
        if coded.payload_bytes <= budget_bytes:
            best_crf, best, high = middle, coded, middle
        else:
            low = middle + 1
    return Fitted(coder, best, width, height, fps, best_crf, fits)


def sizes(width: int, height: int) -> list[tuple[int, int]]:
    """List the sizes to try, smallest first: even, aspect kept, no larger than the source."""
    longest = max(width, height)
    sides = [side for side in LONG_SIDES_PX if side < longest] + [min(longest, LONG_SIDES_PX[-1])]
    scaled = [(_even(width * side / longest), _even(height * side / longest)) for side in sides]
    return list(dict.fromkeys(scaled))


def shrink(frames: Frames, width: int, height: int) -> Frames:
    """Scale frames (T, H, W, 3) down, averaging pixels."""
    return _resized(frames, width, height, cv2.INTER_AREA)


def enlarge(frames: Frames, width: int, height: int) -> Frames:
    """Scale frames (T, h, w, 3) up, bicubic, as the renderer does with its keyframes."""
    return _resized(frames, width, height, cv2.INTER_CUBIC)


def _resized(frames: Frames, width: int, height: int, method: int) -> Frames:
    if frames.shape[1:3] == (height, width):
        return frames
    return np.stack([cv2.resize(frame, (width, height), interpolation=method) for frame in frames])


def _even(length: float) -> int:
    return max(2 * round(length / 2), _SHORTEST_PX)
