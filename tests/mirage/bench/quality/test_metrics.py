"""Numbers of one film: identical films are perfect, known damage has a known size."""

import numpy as np
import pytest

from mirage.bench.quality.metrics import judged_frames, psnr_db, unrest
from mirage.bench.quality.stills import retrieved
from mirage.bench.quality.system import seam
from tests.mirage.bench.quality.pictures import film
from wire.segment import Segment


def test_identical_pictures_have_the_highest_psnr_and_known_error_a_known_one() -> None:
    picture = np.full((8, 8, 3), 100, np.uint8)
    assert psnr_db(picture, picture) == 100
    assert psnr_db(picture, picture + 10) == pytest.approx(20 * np.log10(255 / 10))


def test_a_still_or_evenly_brightening_film_is_at_rest() -> None:
    levels = np.arange(0, 50, 5, dtype=np.uint8)
    ramp = np.broadcast_to(levels[:, None, None, None], (10, 8, 8, 3))
    assert unrest(ramp) == 0
    flicker = np.broadcast_to((levels % 2 * 10)[:, None, None, None], (10, 8, 8, 3))
    assert unrest(flicker) == 20
    assert unrest(ramp[:2]) == 0


def test_judged_frames_fall_on_every_phase_of_a_second() -> None:
    assert {int(place) % 8 for place in judged_frames(80)} == set(range(8))
    assert judged_frames(1).tolist() == [0]


def segment(start_ms: int, *, cut: bool = False) -> Segment:
    return Segment(start_ms, 1000, None, None, None, 0, still=False, cut=cut)


def test_a_jump_between_segments_is_a_seam_and_a_cut_is_none() -> None:
    smooth = film(16, right_px=1)
    jump = np.concatenate([smooth[:8], smooth[8:] // 2])
    assert seam([segment(0), segment(1000)], smooth) == pytest.approx(1, abs=0.2)
    found = seam([segment(0), segment(1000)], jump)
    assert found is not None
    assert found > 5
    assert seam([segment(0), segment(1000, cut=True)], jump) is None


def test_retrieval_finds_the_nearest_by_all_judges() -> None:
    wanted = [(np.eye(3, dtype=np.float32)[k], np.eye(3, dtype=np.float32)[k]) for k in range(3)]
    swapped = [wanted[0], wanted[2], wanted[2]]
    assert retrieved(wanted, wanted) == [1, 1, 1]
    assert retrieved(wanted, swapped) == [1, 0, 1]
