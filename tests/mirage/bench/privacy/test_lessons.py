"""What the attacker's decoder learns from: windows around faces, at settings that senders have."""

from itertools import islice
from pathlib import Path

import numpy as np

from edge.privacy.detectors import Boxes
from mirage.bench.privacy.lessons import apart, taught, windows
from tests.mirage.bench.quality.pictures import texture
from wire.bundle import Bundle

BOX = np.array([0.45, 0.3, 0.55, 0.5])
BOXES: Boxes = np.array([BOX, (0.9, 0.9, 1.0, 1.0)], np.float32)


def test_a_face_stays_where_its_box_is_however_a_window_is_cut() -> None:
    frame = np.full((360, 480, 3), 40, np.uint8)
    frame[108:180, 216:264] = 200
    for window in islice(windows(frame, BOXES, BOX, np.random.default_rng(0)), 200):
        height, width = window.rgb.shape[:2]
        left, top, right, bottom = (window.box * (width, height, width, height)).round().astype(int)
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
        bright = window.rgb[..., 1] > 100
        assert bright[top + 2 : bottom - 2, left + 2 : right - 2].all()
        bright[max(top - 2, 0) : bottom + 2, max(left - 2, 0) : right + 2] = False
        assert not bright.any()
        assert np.allclose(window.boxes[0], window.box, atol=1e-4)


def test_windows_differ_in_size_colour_and_side() -> None:
    frame = texture(0, side=360)
    seen = list(islice(windows(frame, BOXES, BOX, np.random.default_rng(0)), 60))
    assert len({each.rgb.shape for each in seen}) > 30
    assert len({round(float(each.rgb.mean())) for each in seen}) > 10
    mirrored = [each.boxes[1, 0] < each.boxes[0, 0] for each in seen]
    assert 10 < sum(mirrored) < 50


def test_a_face_with_many_boxes_on_it_is_one() -> None:
    many: Boxes = np.array([BOX, BOX + 0.01, (0.9, 0.9, 1.0, 1.0), BOX - 0.01], np.float32)
    first, second = apart(many)
    assert np.allclose(first, BOX, atol=1e-6)
    assert np.allclose(second, (0.9, 0.9, 1.0, 1.0))


def test_the_same_seed_gives_the_same_windows() -> None:
    frame = texture(0, side=360)
    one, other = (list(islice(windows(frame, BOXES, BOX, np.random.default_rng(3)), 5)) for _ in range(2))
    assert all(np.array_equal(a.rgb, b.rgb) for a, b in zip(one, other, strict=True))


def test_faces_are_learned_hidden_too_and_as_coarse_as_they_are_sent(tiny: Path) -> None:
    info = Bundle.load(tiny).manifest.appearance
    assert info is not None
    settings = taught(info)
    assert {each.redacts for each in settings} == {True, False}
    assert {each.planes for each in settings} == {info.planes, info.default_planes, info.coarse_planes}
