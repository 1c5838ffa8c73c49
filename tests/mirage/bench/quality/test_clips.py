"""Which clips are measured: nothing that was trained on, and the output says so."""

import json
from pathlib import Path

import numpy as np
import pytest

from export.data.footage import FootageError
from mirage.bench.quality.clips import read, select
from mirage.errors import InputError
from tests.conftest import MakeVideo


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a training folder: one clip of a held-out source, two others."""
    clips = tmp_path / "footage" / "clips"
    clips.mkdir(parents=True)
    for name in ("coffee-pouring.mp4", "toy-frog-1.mp4", "toy-frog-2.mp4"):
        (clips / name).touch()
    row = {
        "file": "clips/coffee-pouring.mp4",
        "start_s": 0,
        "end_s": 2,
        "caption": "a cup",
        "camera": "static",
    }
    (clips.parent / "captions.jsonl").write_text(json.dumps(row | {"motion": "slow"}) + "\n")
    return clips.parent


def test_clips_of_sources_that_were_trained_on_are_left_out_and_named(folder: Path) -> None:
    chosen = select(folder, demo=False)
    assert [clip.name for clip in chosen.clips] == ["coffee-pouring"]
    assert chosen.clips[0].captions[0].text == "a cup"
    assert chosen.left_out == {"of a source that was trained on": ["toy-frog-1", "toy-frog-2"]}


def test_held_out_sources_may_be_named(folder: Path) -> None:
    chosen = select(folder, ["toy-frog"], demo=False)
    assert [clip.name for clip in chosen.clips] == ["toy-frog-1", "toy-frog-2"]


def test_a_strangers_folder_counts_as_unseen(folder: Path) -> None:
    (folder / "captions.jsonl").unlink()
    assert len(select(folder, demo=False).clips) == 3
    limited = select(folder, limit=1, demo=False)
    assert len(limited.clips) == 1
    assert len(limited.left_out["beyond --limit"]) == 2


def test_a_folder_without_an_unseen_clip_is_one_clear_line(folder: Path, tmp_path: Path) -> None:
    (folder / "clips" / "coffee-pouring.mp4").unlink()
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match=r"all 2 clips are of sources that were trained on.*--held-out"):
        select(folder, demo=False)
    with pytest.raises(InputError, match="holds no clip"):
        select(empty, demo=False)


@pytest.mark.parametrize("line", ["no json", "{}", "[1]"])
def test_a_damaged_caption_file_is_named(folder: Path, line: str) -> None:
    (folder / "captions.jsonl").write_text(line + "\n")
    with pytest.raises(FootageError, match=r"captions\.jsonl: a line is no caption"):
        select(folder, demo=False)


def test_frames_are_those_of_their_moments(make_video: MakeVideo) -> None:
    source = read(make_video(frames=50), 10.0)  # 2 s at 25 fps
    assert (source.camera.width, source.camera.height) == (192, 108)
    assert source.frames.shape == (16, 144, 256, 3)
    # The square goes from the left edge to the right one; its middle tells the time.
    bright = np.asarray(source.frames[:, :, :, 0] > 200).any(1, keepdims=False)
    assert bright.shape == (16, 256)
    middles = np.array([np.flatnonzero(row).mean() for row in bright])
    assert np.all(np.diff(middles) > 8)
    assert len(read(make_video(frames=50), 1.0).frames) == 8
