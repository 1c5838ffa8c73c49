"""Synthetic motion: its flow must be the truth about its frames."""

import cv2
import numpy as np
import pytest

from export.data.grids import mirror_words
from export.data.synthetic import (
    Camera,
    Scene,
    Sprite,
    Texture,
    describe_camera,
    describe_direction,
    draw_scene,
    unit_grid,
)
from tests.export.conftest import CAPTIONS, texture

TEXTURES = [Texture(texture(seed, 160, 200), CAPTIONS[seed % 3]) for seed in range(6)]
SIDE = 96


@pytest.mark.parametrize("seed", range(12))
def test_flow_carries_one_frame_onto_another(seed: int) -> None:
    scene = draw_scene(np.random.default_rng(seed), TEXTURES)
    frame, key = scene.frame(0.7, SIDE), scene.frame(0.2, SIDE)
    flow, seen = scene.flow(0.7, 0.2, SIDE)
    place = ((unit_grid(SIDE) + flow) * SIDE - 0.5).astype(np.float32)
    warped = cv2.remap(key, place[..., 0], place[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    inner = cv2.erode(seen, np.ones((5, 5))) > 0
    error = np.abs(warped.astype(float) - frame)[inner].mean()
    held = np.abs(key.astype(float) - frame)[inner].mean()
    assert error < max(0.35 * held, 4.0)


def test_the_same_seed_draws_the_same_scene() -> None:
    first, second = (draw_scene(np.random.default_rng(5), TEXTURES) for _ in range(2))
    assert first.caption() == second.caption()
    assert np.array_equal(first.frame(0.5, SIDE), second.frame(0.5, SIDE))


@pytest.mark.parametrize(
    ("camera", "words"),
    [
        (Camera(0.3, 0, 0, 0), "camera pans left quickly"),
        (Camera(-0.05, 0, 0, 0), "camera pans right slowly"),
        (Camera(0, 0.3, 0, 0), "camera tilts up quickly"),
        (Camera(0, 0, 0.5, 0), "camera moves forward quickly"),
        (Camera(0, 0, -0.1, 0), "camera moves backward slowly"),
        (Camera(0, 0, 0, 0), "nothing moves"),
    ],
)
def test_camera_motion_is_put_into_words(camera: Camera, words: str) -> None:
    assert describe_camera(camera, objects_move=False) == words


@pytest.mark.parametrize(
    ("dx", "dy", "words"), [(1, 0, "right"), (0, -1, "up"), (-1, 1, "down and left"), (-1, 0.1, "left")]
)
def test_directions_are_those_of_the_picture(dx: float, dy: float, words: str) -> None:
    assert describe_direction(dx, dy) == words


def test_a_sprite_hides_what_is_behind_it() -> None:
    sprite = Sprite(TEXTURES[1], 0.3, 0.5, 0.3, 0.3, 0.4, 0.0)
    scene = Scene(TEXTURES[0], np.eye(3, dtype=np.float32), Camera(0, 0, 0, 0), (sprite,))
    _, seen = scene.flow(1.0, 0.0, 32)
    assert seen[16, 9] == 0  # uncovered at the end, behind the sprite at the start
    assert seen[16, 22] == 1  # the sprite itself
    assert seen[2, 2] == 1


def test_mirroring_swaps_left_and_right_only() -> None:
    assert mirror_words("a man walks left and up to the right") == "a man walks right and up to the left"
