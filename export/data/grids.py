"""Captioned frame grids: written captions of real segments, and photographs under synthetic motion."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from export.data import footage
from export.data.synthetic import Texture, draw_scene
from wire.grid import frame_grid

SAMPLES_PER_SECOND = 8.0
SYNTHETIC_FRAMES = 9
Grid = NDArray[np.uint8]


def real_grids(
    folder: Path, tile_px: int, layout: Sequence[str], *, held_out: bool, variants: int, seed: int
) -> Iterator[tuple[Grid, str]]:
    """Yield every captioned segment `variants` times: as it is, then shifted, cropped and mirrored."""
    random = np.random.default_rng(seed)
    by_clip: dict[Path, list[footage.Caption]] = {}
    for caption in footage.clip_captions(folder):
        by_clip.setdefault(caption.path, []).append(caption)
    for path, captions in by_clip.items():
        if footage.is_held_out(path) != held_out:
            continue
        timed = list(footage.read_frames(path, 240, SAMPLES_PER_SECOND))
        times = np.array([time for time, _ in timed])
        for caption in captions:
            for number in range(variants):
                shift = 0.0 if number == 0 else random.uniform(-0.25, 0.25)
                chosen = np.flatnonzero((times >= caption.start_s + shift) & (times < caption.end_s + shift))
                if len(chosen) == 0:
                    continue
                frames = np.stack([timed[i][1] for i in chosen])
                if number:
                    frames = _crop(frames, random)
                mirrored = number % 2 == 1
                text = mirror_words(caption.text) if mirrored else caption.text
                yield frame_grid(frames[:, :, ::-1] if mirrored else frames, tile_px, layout), text


def synthetic_grids(
    folder: Path, tile_px: int, layout: Sequence[str], *, count: int, seed: int
) -> Iterator[tuple[Grid, str]]:
    """Yield `count` grids of captioned photographs under a moving camera and before moving cut-outs."""
    textures = photo_textures(folder)
    random = np.random.default_rng(seed)
    for _ in range(count):
        scene = draw_scene(random, textures)
        frames = np.stack([scene.frame(time, tile_px) for time in np.linspace(0, 1, SYNTHETIC_FRAMES)])
        yield frame_grid(frames, tile_px, layout), scene.caption()


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
    share = random.uniform(0.82, 1.0)
    h, w = round(height * share), round(width * share)
    y, x = random.integers(0, height - h + 1), random.integers(0, width - w + 1)
    gain = random.uniform(0.85, 1.15)
    return np.stack([cv2.convertScaleAbs(f, alpha=gain) for f in frames[:, y : y + h, x : x + w]])
