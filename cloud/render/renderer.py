"""What a renderer is, and the arithmetic of frames that every renderer shares.

    Segment + neighbours + camera + policy + seed  ->  frames uint8 (T, H, W, 3) RGB

Frame k of a camera is the one at k / fps of the camera's own clock, so a segment owns the frames
whose times lie in it, and consecutive segments add up to exactly the frames of the whole.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from wire.documents import CameraInfo
from wire.policy import Policy
from wire.segment import Segment

_NTSC_TOLERANCE = Fraction(1, 200)  # 29.97 is meant as 30000/1001, which it misses by 0.00003
_MAX_FPS = 1000  # the clock of a packet counts milliseconds


class RenderError(RuntimeError):
    """A segment cannot become frames."""


class LostRendererError(RenderError):
    """The renderer is gone, with the machine that it was on; another one may do."""


class RenderCancelledError(Exception):
    """Nobody wants the frames any more; nothing is wrong with them."""


def never() -> bool:
    """Let a rendering go on to its end."""
    return False


def ignore(_shortfall: str) -> None:
    """Let a clip be less than what was asked for."""


@dataclass(frozen=True, slots=True)
class Context:
    """What else a segment's frames may depend on.

    The neighbours that it may be blended with: None across a cut, a gap or an end. `carried`: the last frames
    (N, H, W, 3) of the clip before, for a renderer that goes on from there; at most as many as it carries.
    `anchors`: pictures (H, W, 3) of the policy's anchors, in their order; the first `grounds` show the place
    itself. `figure` is a picture of the stand-in for each person, if the policy asks for one and there is
    one. `degraded` is told in what the frames fall short of what was asked for, if they do.
    """

    previous: Segment | None
    next: Segment | None
    carried: NDArray[np.uint8] | None = None
    anchors: tuple[NDArray[np.uint8], ...] = ()
    grounds: int = 0
    figure: NDArray[np.uint8] | None = None
    degraded: Callable[[str], None] = ignore


class Renderer(Protocol):
    """Turns one segment into frames. The same arguments give the same frames on the same machine."""

    @property
    def name(self) -> str:
        """Which renderer and which weights, as the provenance of a clip states it."""

    @property
    def carries(self) -> int:
        """How many last frames of one clip the next goes on from; 0 for a renderer that needs none."""

    def render(
        self,
        segment: Segment,
        context: Context,
        camera: CameraInfo,
        policy: Policy,
        seed: int,
        cancelled: Callable[[], bool] = never,
    ) -> NDArray[np.uint8]:
        """Return frames (T, H, W, 3): T of `frame_span`, H and W of `output_size`. Raises RenderError.

        Asks `cancelled` before each diffusion step, and then raises RenderCancelledError.
        """


def frame_rate(fps: float) -> Fraction:
    """Read a rate as the exact fraction that was meant: 29.97 is 30000/1001. Raises RenderError."""
    if not 0 < fps <= _MAX_FPS:
        raise RenderError(f"fps is {fps}, expected more than 0 and at most {_MAX_FPS}")
    ntsc = Fraction(round(fps * 1.001) * 1000, 1001)
    exact = Fraction(fps).limit_denominator(1001)
    if exact.denominator != 1 and abs(Fraction(fps) - ntsc) < _NTSC_TOLERANCE:
        return ntsc
    return max(exact, Fraction(1, 1001))


def output_rate(camera: CameraInfo, policy: Policy) -> Fraction:
    """Frames per second of the clip: the receiver's wish, else the source's."""
    return frame_rate(camera.fps if policy.fps is None else policy.fps)


def frame_span(segment: Segment, fps: float | Fraction) -> tuple[int, int]:
    """First and last + 1 frame index on the camera's clock."""
    rate = fps if isinstance(fps, Fraction) else frame_rate(fps)
    return (
        _nearest(segment.start_ms * rate / 1000),
        _nearest((segment.start_ms + segment.duration_ms) * rate / 1000),
    )


def output_size(camera: CameraInfo, long_side_px: int) -> tuple[int, int]:
    """Width and height of the clip: the long side as wished, the aspect kept, both even and at least 2.

    Even, because H.264 in 4:2:0 halves both for colour.
    """
    long_px = max(long_side_px - long_side_px % 2, 2)
    short, longer = sorted((camera.width, camera.height))
    if short < 1:
        raise RenderError(f"camera {camera.name!r} is {camera.width}x{camera.height} pixels")
    short_px = min(max(2 * _nearest(Fraction(long_px * short, 2 * longer)), 2), long_px)
    return (long_px, short_px) if camera.width >= camera.height else (short_px, long_px)


def _nearest(value: Fraction) -> int:
    """Round half up: Python's round() goes to even, which would give neighbours unequal shares."""
    return (2 * value.numerator + value.denominator) // (2 * value.denominator)
