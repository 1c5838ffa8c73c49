"""Real windows are measured once, and kept under a name that says of what."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from edge.motion import estimate_motion
from export.data.windows import FINE_PX, MEASURE_PX, real_pictures, real_windows
from models.tiny.motion import FLOW_SCALE, FRAMES, SIDE, warp
from models.tiny.renderer import WORDS
from tests.export.conftest import write_clip
from wire.motion import Motion
from wire.words import read_words


def refuse(frames: NDArray[np.uint8], times_ms: NDArray[np.int64]) -> Motion:
    raise AssertionError(f"{len(frames)} frames at {times_ms} are measured again")


@pytest.fixture(scope="module")
def folder(footage_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the footage folder with clips that are long enough for a window, whatever its length."""
    copy = tmp_path_factory.mktemp("footage")
    shutil.copytree(footage_folder, copy, dirs_exist_ok=True)
    for number, clip in enumerate(sorted((copy / "clips").iterdir())):
        write_clip(clip, number, seconds=2.4, step_px=1)
    return copy


@pytest.fixture(scope="module")
def kept(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    kept = tmp_path_factory.mktemp("kept")
    real_windows(folder, estimate_motion, kept, held_out=False)
    return kept


def test_windows_are_measured_once(folder: Path, kept: Path) -> None:
    again = real_windows(folder, refuse, kept, held_out=False)
    assert len(again) > 0
    assert again.frames.dtype == torch.uint8


def test_other_clips_or_captions_are_measured_anew(folder: Path, kept: Path, tmp_path: Path) -> None:
    changed = tmp_path / "footage"
    shutil.copytree(folder, changed)
    index = changed / "captions.jsonl"
    index.write_text(index.read_text().replace("slide to the right", "slide to the left"))
    with pytest.raises(AssertionError, match="measured again"):
        real_windows(changed, refuse, kept, held_out=False)


def test_measured_flow_explains_the_frames(folder: Path, kept: Path) -> None:
    windows = real_windows(folder, refuse, kept, held_out=False).unpacked()
    flow = windows.clean.unflatten(1, (FRAMES, 5))[:, FRAMES // 2, 0:2] / FLOW_SCALE
    wide = torch.nn.functional.interpolate(flow, (64, 64), mode="bilinear")
    frame, key = windows.frames[:, FRAMES // 2], windows.keys[:, :3]
    error, held = ((picture - frame)[..., 20:-20].abs().mean() for picture in (warp(key, wide), key))
    assert error < 0.5 * held


def test_mirrored_words_swap_left_and_right(folder: Path, kept: Path) -> None:
    windows = real_windows(folder, refuse, kept, held_out=False)
    said = read_words("leaves slide to the right", WORDS)
    rows = [n for n, words in enumerate(windows.words.tolist()) if words == said]
    assert rows
    assert windows.mirrored[rows[0]].tolist() == read_words("leaves slide to the left", WORDS)


def test_held_out_sources_are_apart_and_may_be_absent(folder: Path, tmp_path: Path) -> None:
    alone = tmp_path / "footage"
    shutil.copytree(folder, alone)
    for clip in (alone / "clips").glob("yard*"):
        clip.unlink()
    assert len(real_windows(alone, estimate_motion, tmp_path, held_out=True)) > 0
    empty = real_windows(alone, estimate_motion, tmp_path, held_out=False)
    assert empty.clean.shape == (0, FRAMES * 5, SIDE, SIDE)
    assert len(real_pictures(alone, held_out=False).keys) == 0


def test_sharp_pictures_go_with_the_windows(folder: Path, kept: Path) -> None:
    windows = real_windows(folder, refuse, kept, held_out=False)
    pictures = real_pictures(folder, held_out=False)
    assert pictures.keys.shape == (len(windows), 6, MEASURE_PX, MEASURE_PX)
    assert pictures.frames.shape[-1] == FINE_PX
    small = torch.nn.functional.avg_pool2d(pictures.frames[0].float(), FINE_PX // 64)
    there = windows.frames[0, pictures.which[0]].float()
    assert (small - there).abs().mean() < 4
