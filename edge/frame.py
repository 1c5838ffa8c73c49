"""What a camera yields, and what it is called when it cannot."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class CameraError(Exception):
    """The source cannot be opened or holds no picture; the message names it."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One sampled picture and the moment it was taken."""

    captured_us: int  # since boot for a live camera, since the first frame for a file
    rgb: NDArray[np.uint8]  # (H, W, 3), short side at most `short_side_px`
    resumed: bool = False  # the camera had vanished before this frame


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What the container says, for pictures the right way up."""

    width: int
    height: int
    fps: float
    duration_s: float | None
    frames: int | None
    live: bool


class Camera(Protocol):
    """Iterate once; then `end_us` and `frames_read` tell how far it went, `attempts` how often it opened."""

    @property
    def info(self) -> SourceInfo: ...

    @property
    def end_us(self) -> int: ...

    @property
    def frames_read(self) -> int: ...

    @property
    def attempts(self) -> int: ...

    def __iter__(self) -> Iterator[Frame]:
        """Yield sampled frames, strictly increasing in time."""

    def close(self) -> None:
        """Release the device."""
