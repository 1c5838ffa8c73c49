"""Footage: what is read, and which sources nothing is trained on."""

from pathlib import Path

import pytest

from export.data import footage
from export.data.captions import written
from export.data.grids import mirror_words
from export.train.appearance import load_pictures


def test_files_with_running_numbers_are_one_source() -> None:
    assert footage.source_of(Path("clips/lobby-walkers-3.mp4")) == "lobby-walkers"
    assert footage.source_of(Path("clips/coffee-pouring.mp4")) == "coffee-pouring"


@pytest.mark.parametrize("name", ["bigbuckbunny.mp4", "bikes.mp4", "carphone.mp4", "camera-trap-0003.jpg"])
def test_demonstration_and_evaluation_sources_are_held_out(name: str) -> None:
    assert footage.is_held_out(Path(name))


def test_held_out_sources_reach_neither_pictures_nor_captions(footage_folder: Path) -> None:
    all_frames = sum(1 for clip in footage.clips(footage_folder) for _ in footage.read_frames(clip, 224, 3.0))
    kept = load_pictures(footage_folder)
    assert len(kept) == 6 + all_frames / 2
    assert written(footage_folder).count("leaves slide to the right") == 1


def test_frames_are_sampled_by_time(footage_folder: Path) -> None:
    times = [time for time, _ in footage.read_frames(footage_folder / "clips/yard-1.mp4", 64, 4.0)]
    assert times == pytest.approx([number * 0.25 for number in range(len(times))], abs=1 / 12)


def test_photographs_shrink_but_never_grow(footage_folder: Path) -> None:
    path = footage_folder / "photos/wall-0000.jpg"
    assert footage.read_photo(path, 48).shape == (48, 64, 3)
    assert footage.read_photo(path, 500).shape == (96, 128, 3)


def test_a_file_that_is_no_picture_is_named(tmp_path: Path) -> None:
    bad = tmp_path / "note.jpg"
    bad.write_text("not a picture")
    with pytest.raises(footage.FootageError, match=r"note\.jpg is not a picture"):
        footage.read_photo(bad, 64)


def test_a_clip_without_frames_is_named(tmp_path: Path) -> None:
    bad = tmp_path / "empty.mp4"
    bad.write_bytes(b"")
    with pytest.raises(footage.FootageError, match=r"empty\.mp4 holds no frame"):
        list(footage.read_frames(bad, 64, 4.0))


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(footage.FootageError, match="nowhere is not a folder"):
        footage.clips(tmp_path / "nowhere")


def test_frames_of_captioned_clips_are_textures_unless_held_out(footage_folder: Path) -> None:
    textures = footage.clip_textures(footage_folder, 64)
    assert len(textures) == 5  # of 2.2 s of the one clip that may be trained on
    assert all(texture.rgb.shape == (64, 85, 3) and not texture.caption for texture in textures)


def test_a_folder_without_footage_cannot_be_trained_on(tmp_path: Path) -> None:
    with pytest.raises(footage.FootageError, match="no picture or clip"):
        load_pictures(tmp_path)


def test_a_mirrored_caption_swaps_left_and_right() -> None:
    assert mirror_words("a man walks left and up to the right") == "a man walks right and up to the left"
