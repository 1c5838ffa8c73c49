"""The strip shows source and reconstruction at the same moments."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from cloud.render.mp4 import Mp4Writer
from mirage.demo.strip import write_strip
from mirage.errors import OutputError


def unmarked(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return frames


def film(path: Path, frames: int) -> Path:
    """Write a film whose left half darkens while its right half brightens."""
    with Mp4Writer(path, 132, 48, Fraction(10), "film", {}, marker=unmarked) as writer:
        for number in range(frames):
            picture = np.zeros((48, 132, 3), np.uint8)
            picture[:, :64], picture[:, 68:] = 200 - 4 * number, 40 + 4 * number
            writer.write(picture[None])
    return path


def test_columns_are_moments_and_rows_are_source_and_reconstruction(tmp_path: Path) -> None:
    write_strip(film(tmp_path / "film.mp4", 40), tmp_path / "strip.jpg")
    picture = cv2.imread(str(tmp_path / "strip.jpg"), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    assert picture.shape == (100, 5 * 64 + 4 * 4)
    for column, moment in enumerate((4, 12, 20, 28, 36)):
        x = 32 + 68 * column
        assert int(picture[20, x]) == pytest.approx(200 - 4 * moment, abs=6)
        assert int(picture[80, x]) == pytest.approx(40 + 4 * moment, abs=6)


def test_a_film_of_one_frame_is_one_column(tmp_path: Path) -> None:
    write_strip(film(tmp_path / "film.mp4", 1), tmp_path / "strip.jpg")
    picture = cv2.imread(str(tmp_path / "strip.jpg"))
    assert picture is not None
    assert picture.shape == (100, 64, 3)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OutputError, match=r"file: Not a directory|file: File exists"):
        write_strip(film(tmp_path / "film.mp4", 3), tmp_path / "file" / "strip.jpg")
