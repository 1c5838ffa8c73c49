"""Commanded motion: what counts as done, on films that do it or do not."""

from collections import Counter

import numpy as np
import pytest

from mirage.bench.quality.commands import Order, judge, orders
from tests.mirage.bench.quality.pictures import film, texture

FRAMES = 9  # so the last one is at 8/9 of the segment


def test_two_hundred_orders_are_of_all_kinds_directions_and_speeds() -> None:
    given = orders(200)
    assert Counter(order.kind for order in given) == {"pan": 96, "zoom": 40, "object": 40, "static": 24}
    assert len({order.words for order in given}) == 8 + 4 + 8 + 2
    for order in given:
        way = np.hypot(order.right, order.down)
        assert (way > 0.2) == ("quickly" in order.words and order.kind in ("pan", "object"))


def test_a_camera_that_pans_left_moves_content_to_the_right() -> None:
    assert {"camera pans left slowly": 1, "camera pans right slowly": -1}.items() <= {
        order.words: np.sign(order.right) for order in orders(200)
    }.items()


def test_a_pan_as_ordered_is_right_and_as_fast() -> None:
    order = Order("pan", "", right=0.2)
    found = judge(order, film(FRAMES, right_px=0.2 * 160 / FRAMES))
    assert found.right
    assert found.speed == pytest.approx(1, abs=0.1)
    assert found.angle_degrees == pytest.approx(0, abs=5)


@pytest.mark.parametrize("way", [(-0.2, 0.0), (0.0, 0.2), (0.02, 0.0)], ids=["back", "aside", "hardly"])
def test_a_pan_elsewhere_or_hardly_at_all_is_wrong(way: tuple[float, float]) -> None:
    right, down = way
    made = film(FRAMES, right_px=right * 160 / FRAMES, down_px=down * 96 / FRAMES)
    assert not judge(Order("pan", "", right=0.2), made).right


def test_zooms_count_by_sign_and_size() -> None:
    grows, shrinks = (film(FRAMES, scale=2 ** (sign * 0.4 / FRAMES)) for sign in (1, -1))
    assert judge(Order("zoom", "", octaves=0.4), grows).right
    assert not judge(Order("zoom", "", octaves=0.4), shrinks).right
    assert not judge(Order("zoom", "", octaves=1.6), grows).right


def test_static_means_that_nothing_drifts() -> None:
    assert judge(Order("static", ""), film(FRAMES)).right
    assert not judge(Order("static", ""), film(FRAMES, right_px=1)).right


def with_disc(right_px: float, ground_px: float) -> tuple[np.ndarray, np.ndarray]:
    made, disc = film(FRAMES, right_px=ground_px), texture(7)
    y, x = np.mgrid[0:96, 0:160]
    masks = [np.hypot(x - 60 - right_px * number, y - 48) < 22 for number in range(FRAMES)]
    for number, mask in enumerate(masks):
        moved = np.roll(disc[:96, :160], round(right_px * number), axis=1)
        made[number][mask] = moved[mask]
    return made, masks[0]


def test_an_object_must_go_while_the_rest_stays() -> None:
    order = Order("object", "", right=0.2)
    moving, inside = with_disc(0.2 * 160 / FRAMES, 0)
    assert judge(order, moving, inside).right
    resting, inside = with_disc(0, 0)
    assert not judge(order, resting, inside).right
    dragged, inside = with_disc(0.2 * 160 / FRAMES, 0.2 * 160 / FRAMES)
    assert not judge(order, dragged, inside).right
