"""Motion of results: hand-made films whose motion is known."""

import numpy as np
import pytest

from mirage.bench.quality.flow import agreement, drift, flows
from tests.mirage.bench.quality.pictures import film


def test_a_film_agrees_with_itself() -> None:
    seen = flows(film(6, right_px=3), 1)
    found = agreement(seen, seen)
    assert found is not None
    assert found.agreement == found.direction == found.speed == 1
    assert found.moving > 0.9


def test_a_known_shift_is_measured_in_its_direction() -> None:
    flow = flows(film(2, right_px=3, down_px=-2), 1)[0]
    assert np.median(flow[20:-20, 20:-20, 0]) == pytest.approx(3, abs=0.3)
    assert np.median(flow[20:-20, 20:-20, 1]) == pytest.approx(-2, abs=0.3)


def test_a_film_that_goes_elsewhere_or_rests_does_not_agree() -> None:
    source = flows(film(6, right_px=3), 1)
    for other in (film(6, right_px=-3), film(6, down_px=3), film(6)):
        found = agreement(flows(other, 1), source)
        assert found is not None
        assert found.agreement < 0.1
        assert found.direction < 0.1


def test_too_slow_a_film_goes_the_right_way_but_does_not_agree() -> None:
    found = agreement(flows(film(6, right_px=1), 1), flows(film(6, right_px=4), 1))
    assert found is not None
    assert found.direction > 0.9
    assert found.agreement < 0.1
    assert found.speed == pytest.approx(0.25, abs=0.05)


def test_where_the_source_rests_there_is_nothing_to_agree_with() -> None:
    assert agreement(flows(film(4, right_px=3), 1), flows(film(4), 1)) is None


def test_drift_follows_content_over_the_whole_film() -> None:
    gone = drift(film(11, right_px=-2, down_px=1))
    assert gone.right == pytest.approx(-20 / 160, rel=0.1)
    assert gone.down == pytest.approx(10 / 96, rel=0.1)
    assert gone.zoom == pytest.approx(0, abs=0.03)


def test_drift_measures_zoom_in_octaves() -> None:
    gone = drift(film(9, scale=2 ** (0.3 / 8)))
    assert gone.zoom == pytest.approx(0.3, rel=0.15)
    assert abs(gone.right) < 0.02
    assert abs(gone.down) < 0.02


def test_a_still_film_goes_nowhere() -> None:
    assert drift(film(5)).farthest < 0.001
