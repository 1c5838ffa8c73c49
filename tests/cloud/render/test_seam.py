"""The seam: 1 where nobody sees the border, more where the picture jumps."""

import numpy as np
import pytest
from numpy.typing import NDArray

from cloud.render.seam import Seams, seam


def clip(*levels: float) -> NDArray[np.uint8]:
    """One level a frame."""
    return np.broadcast_to(np.array(levels, np.uint8)[:, None, None, None], (len(levels), 4, 6, 3))


def test_a_change_as_any_other_is_no_seam() -> None:
    assert seam(clip(10, 12, 14), clip(16, 18)) == pytest.approx(1)


def test_a_jump_is_measured_in_changes_on_both_sides() -> None:
    """A jump of 20 between changes of 2 before and of 6 after, plus 0.1 on both sides."""
    assert seam(clip(10, 12, 14), clip(34, 40, 46)) == pytest.approx(20.1 / 4.1)


def test_a_long_clip_counts_as_much_as_a_short_one() -> None:
    assert seam(clip(*[10] * 30), clip(14, 18)) == pytest.approx(4.1 / 2.1)


def test_clips_at_rest_have_no_seam_unless_they_jump() -> None:
    assert seam(clip(10, 10), clip(10, 10)) == 1
    assert seam(clip(10, 10), clip(15, 15)) == pytest.approx(51)


def test_clips_of_one_frame_do_not_say_what_is_usual() -> None:
    assert seam(clip(10), clip(12, 14)) == pytest.approx(1)
    assert seam(clip(10), clip(10)) == 1


def test_darker_counts_as_lighter_does() -> None:
    assert seam(clip(200, 198), clip(196, 194)) == pytest.approx(1)


def test_seams_are_added_up_only_where_the_scene_goes_on() -> None:
    seams = Seams()
    assert (seams.mean, seams.worst) == (None, None)
    seams.add(clip(10, 12), goes_on=False)
    seams.add(clip(14, 16), goes_on=True)
    seams.add(clip(90, 92), goes_on=False)
    seams.add(clip(), goes_on=True)
    seams.add(clip(104, 106), goes_on=True)
    assert seams.measured == [pytest.approx(1), pytest.approx(12.1 / 2.1)]
    assert seams.worst == pytest.approx(12.1 / 2.1)
    assert seams.mean == pytest.approx((1 + 12.1 / 2.1) / 2)
