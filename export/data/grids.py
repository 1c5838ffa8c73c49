"""Captioned frame grids: written captions of real segments and of photographs, shown in many ways."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from export.data import footage
from export.data.footage import Texture
from wire.grid import frame_grid

SAMPLES_PER_SECOND = 8.0
SHORT_PX = 240
PHOTO_VIEWS = (
    2,
    10,
)  # a photograph of a large source is shown so often, one of a small source up to so often
VIEWS_OF_SOURCE = 150
CODED = 0.4  # share of views that look as if they had been through a code of a few hundred bytes
CODED_PX = (14, 56)
Grid = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Captioned:
    """A grid (S, S, 3), what somebody wrote of it, and which source it is from."""

    grid: Grid
    text: str
    source: str


def segment_grids(
    folder: Path, tile_px: int, layout: Sequence[str], *, held_out: bool, views: int, seed: int
) -> Iterator[Captioned]:
    """Yield every captioned segment `views` times: as it is, then shifted, cropped, mirrored, blurred."""
    random = np.random.default_rng(seed)
    by_clip: dict[Path, list[footage.Caption]] = {}
    for caption in footage.clip_captions(folder):
        by_clip.setdefault(caption.path, []).append(caption)
    for path, captions in by_clip.items():
        if footage.is_held_out(path) != held_out:
            continue
        timed = list(footage.read_frames(path, SHORT_PX, SAMPLES_PER_SECOND))
        times = np.array([time for time, _ in timed])
        for caption in captions:
            for number in range(views):
                shift = 0.0 if number == 0 else random.uniform(-0.25, 0.25)
                chosen = np.flatnonzero((times >= caption.start_s + shift) & (times < caption.end_s + shift))
                if len(chosen):
                    frames = np.stack([timed[i][1] for i in chosen])
                    yield _view(frames, caption.text, path, tile_px, layout, random if number else None)


def photo_grids(
    folder: Path, tile_px: int, layout: Sequence[str], *, held_out: bool, seed: int
) -> Iterator[Captioned]:
    """Yield captioned photographs as segments in which nothing moves, those of small sources oftener."""
    random = np.random.default_rng(seed)
    captions = {p: t for p, t in footage.photo_captions(folder).items() if footage.is_held_out(p) == held_out}
    sizes = Counter(footage.source_of(path) for path in captions)
    for path, text in captions.items():
        picture = footage.read_photo(path, SHORT_PX)[None]
        few, many = PHOTO_VIEWS
        views = 1 if held_out else min(max(VIEWS_OF_SOURCE // sizes[footage.source_of(path)], few), many)
        for number in range(views):
            yield _view(picture, text, path, tile_px, layout, random if number else None)


def _view(
    frames: NDArray[np.uint8],
    text: str,
    path: Path,
    tile_px: int,
    layout: Sequence[str],
    random: np.random.Generator | None,
) -> Captioned:
    if random is not None:
        frames = _crop(frames, random)
        if random.random() < CODED:
            frames = _as_coded(frames, random)
        if random.random() < 0.5:
            frames, text = frames[:, :, ::-1], mirror_words(text)
    return Captioned(frame_grid(frames, tile_px, layout), text, footage.source_of(path))


def photo_textures(folder: Path, short_px: int = 224) -> list[Texture]:
    """All captioned photographs that may be trained on."""
    return [
        Texture(footage.read_photo(path, short_px), text)
        for path, text in footage.photo_captions(folder).items()
        if not footage.is_held_out(path)
    ]


def mirror_words(text: str) -> str:
    """Swap left and right."""
    swapped = {"left": "right", "right": "left"}
    return " ".join(swapped.get(word, word) for word in text.split())


def _crop(frames: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    height, width = frames.shape[1:3]
    share = random.uniform(0.75, 1.0)
    h, w = round(height * share), round(width * share)
    y, x = random.integers(0, height - h + 1), random.integers(0, width - w + 1)
    gain, shift = random.uniform(0.8, 1.2), random.uniform(-12, 12)
    kept = frames[:, y : y + h, x : x + w].astype(np.float32) * gain + shift
    return np.clip(kept * random.uniform(0.94, 1.06, 3), 0, 255).astype(np.uint8)


def _as_coded(frames: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """Leave as much detail as few bytes would: any code at all loses the fine grain first."""
    height, width = frames.shape[1:3]
    scale = random.uniform(*CODED_PX) / min(height, width)
    size = (max(round(width * scale), 2), max(round(height * scale), 2))
    small = [cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames]
    noise = random.normal(0, random.uniform(0, 6), (1, size[1], size[0], 3))
    kept = np.clip(np.stack(small) + noise, 0, 255).astype(np.uint8)
    return np.stack([cv2.resize(f, (width, height), interpolation=cv2.INTER_CUBIC) for f in kept])
