"""Of what is hidden, no pixel is left, and nothing can be said of what was there."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.capture import shrink
from edge.privacy.coarsen import coarsened
from edge.privacy.masks import FILL, boxes_mask, filled, zone_mask
from wire.policy import Sender
from wire.policy.zones import Zone

shares = st.floats(0, 1, width=32)


def picture(seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(seed).integers(0, 256, (45, 80, 3)).astype(np.uint8)


@given(st.tuples(shares, shares, shares, shares), st.integers(0, 99), st.integers(100, 200))
def test_whatever_is_behind_a_zone_the_picture_is_the_same(
    box: tuple[float, float, float, float], one: int, other: int
) -> None:
    left, right = sorted(box[0::2])
    top, bottom = sorted(box[1::2])
    if left == right or top == bottom:
        return
    masked = zone_mask([Zone(box=(left, top, right, bottom))], 45, 80)
    scene = picture(one)
    changed = scene.copy()
    rows, columns = (
        slice(int(top * 45), int(np.ceil(bottom * 45))),
        slice(int(left * 80), int(np.ceil(right * 80))),
    )
    changed[rows, columns] = picture(other)[rows, columns]
    assert (filled(scene, masked) == filled(changed, masked)).all()


@given(st.tuples(shares, shares, shares, shares), st.sampled_from([(180, 320), (233, 301), (720, 1280)]))
@settings(max_examples=40)
def test_nothing_of_a_zone_seeps_through_when_a_large_picture_is_scaled_down(
    box: tuple[float, float, float, float], shape: tuple[int, int]
) -> None:
    (left, right), (top, bottom) = sorted(box[0::2]), sorted(box[1::2])
    if left == right or top == bottom:
        return
    scene = np.zeros((*shape, 3), np.uint8)
    changed = scene.copy()
    rows = slice(int(np.floor(top * shape[0])), int(np.ceil(bottom * shape[0])))
    columns = slice(int(np.floor(left * shape[1])), int(np.ceil(right * shape[1])))
    changed[rows, columns] = 255
    small = [shrink(each, 90) for each in (scene, changed)]
    masked = zone_mask([Zone(box=(left, top, right, bottom))], *small[0].shape[:2])
    assert (filled(small[0], masked) == filled(small[1], masked)).all()


@pytest.mark.parametrize(
    ("box", "hidden"),
    [
        ((0.0, 0.99999, 1.0, 1.0), np.s_[-1, :]),
        ((0.0, 0.0, 1.0, 0.00001), np.s_[0, :]),
        ((0.99999, 0.0, 1.0, 1.0), np.s_[:, -1]),
        ((0.0, 0.0, 0.00001, 1.0), np.s_[:, 0]),
    ],
    ids=["bottom", "top", "right", "left"],
)
def test_a_zone_thinner_than_a_pixel_hides_the_edge_at_which_it_lies(
    box: tuple[float, float, float, float], hidden: tuple[int | slice, ...]
) -> None:
    masked = zone_mask([Zone(box=box)], 45, 80)
    assert masked[hidden].all()
    assert masked.sum() <= 2 * 80


def test_an_only_zone_of_the_whole_picture_hides_nothing() -> None:
    assert not zone_mask([Zone(see="only", box=(0.0, 0.0, 1.0, 1.0))], 45, 80).any()


def test_a_zone_hides_its_inside_and_little_more() -> None:
    masked = zone_mask([Zone(box=(0.25, 0.2, 0.5, 0.6))], 50, 80)
    assert masked[10:30, 20:40].all()
    assert not masked[:8].any()
    assert not masked[32:].any()
    assert not masked[:, :18].any()
    assert not masked[:, 42:].any()


def test_only_zones_hide_all_the_rest_and_never_goes_before_them() -> None:
    only = Zone(see="only", points=((0, 0), (1, 0), (1, 1)))
    masked = zone_mask([only, Zone(box=(0.8, 0.0, 1.0, 1.0))], 50, 80)
    assert not masked[10, 30:60].any()
    assert masked[40, :50].all()
    assert masked[:, 64:].all()


def test_a_picture_without_zones_is_as_it_was() -> None:
    scene = picture(1)
    assert (filled(scene, zone_mask([], 45, 80)) == scene).all()


@given(st.lists(st.tuples(shares, shares, shares, shares), max_size=4))
def test_boxes_hide_every_pixel_that_they_touch(corners: list[tuple[float, float, float, float]]) -> None:
    boxes = np.array(corners, np.float32).reshape(-1, 4)
    masked = boxes_mask(boxes, 45, 80)
    for left, top, right, bottom in boxes:
        if left < right and top < bottom:
            row, column = int((top + bottom) / 2 * 45), int((left + right) / 2 * 80)
            assert masked[min(row, 44), min(column, 79)]


def test_what_is_filled_is_one_grey() -> None:
    masked = boxes_mask(np.array([[0, 0, 1, 1]], np.float32), 45, 80)
    assert (filled(picture(2), masked) == FILL).all()


@pytest.mark.parametrize("px", [4, 9, 20])
def test_a_coarse_keyframe_has_no_more_in_it_than_its_means(px: int) -> None:
    fine = np.zeros((80, 80, 3), np.uint8)
    fine[::2] = 200  # lines that no coarse picture can tell from grey
    seen = coarsened(fine, Sender(picture_px=px), np.random.default_rng(0))
    assert seen.shape == fine.shape
    assert seen.std() < 6  # of 100


def test_noise_differs_each_time_and_is_as_strong_as_it_says() -> None:
    grey, chance = np.full((90, 160, 3), 128, np.uint8), np.random.default_rng(0)
    one, other = (coarsened(grey, Sender(noise=8.0), chance) for _ in range(2))
    assert (one != other).any()
    assert 7.5 < one.std() < 8.5


def test_a_keyframe_of_which_nothing_is_asked_is_as_it_was() -> None:
    scene = picture(3)
    assert coarsened(scene, Sender(), np.random.default_rng(0)) is scene
    assert coarsened(scene, Sender(picture_px=45), np.random.default_rng(0)) is scene
