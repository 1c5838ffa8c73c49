"""The frame grid: what the captioner sees of a segment."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from wire.grid import FLOW_PX, GridError, flow_tile, frame_grid

LAYOUT = ("frame", "frame", "frame", "flow")


def sliding(step_x: int, step_y: int, count: int = 9) -> NDArray[np.uint8]:
    """Make frames (count, 120, 160, 3) whose content moves by (step_x, step_y) pixels a frame."""
    noise = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    texture = cv2.resize(noise, (400, 320), interpolation=cv2.INTER_CUBIC)
    return np.stack(
        [
            texture[100 - n * step_y : 220 - n * step_y, 120 - n * step_x : 280 - n * step_x]
            for n in range(count)
        ]
    )


def test_tiles_hold_first_middle_and_last_frame() -> None:
    frames = np.stack([np.full((40, 60, 3), shade, np.uint8) for shade in (10, 20, 30, 40, 50)])
    grid = frame_grid(frames, 32, LAYOUT)
    assert grid.shape == (64, 64, 3)
    assert [int(grid[y, x, 0]) for y, x in ((5, 5), (5, 40), (40, 5))] == [10, 30, 50]


def test_a_scene_at_rest_is_painted_grey_without_blue() -> None:
    tile = flow_tile(sliding(0, 0))
    assert np.abs(tile[..., :2].astype(int) - 128).max() <= 1
    assert tile[..., 2].max() <= 1


@pytest.mark.parametrize(
    ("step", "channel", "brighter"),
    [((3, 0), 0, True), ((-3, 0), 0, False), ((0, 3), 1, True), ((0, -3), 1, False)],
)
def test_the_flow_tile_paints_right_red_and_down_green(
    step: tuple[int, int],
    channel: int,
    brighter: bool,  # noqa: FBT001 (a parameter of the test)
) -> None:
    middle = flow_tile(sliding(*step))[16:80, 16:80].reshape(-1, 3)
    painted = float(np.median(middle[:, channel]))
    assert painted > 150 if brighter else painted < 106
    assert abs(float(np.median(middle[:, 1 - channel])) - 128) < 22


def test_faster_motion_is_bluer() -> None:
    slow, fast = (float(flow_tile(sliding(step, 0))[..., 2].mean()) for step in (1, 4))
    assert fast > slow + 10


def test_one_frame_makes_a_grid_without_motion() -> None:
    grid = frame_grid(sliding(0, 0, count=1), FLOW_PX, LAYOUT)
    assert np.array_equal(grid[:FLOW_PX, :FLOW_PX], grid[:FLOW_PX, FLOW_PX:])
    assert np.abs(grid[FLOW_PX:, FLOW_PX:, :2].astype(int) - 128).max() == 0


@pytest.mark.parametrize(
    ("frames", "layout", "reason"),
    [
        (np.zeros((2, 8, 8, 3), np.uint8), ("frame", "frame"), "not a square number"),
        (np.zeros((2, 8, 8, 3), np.uint8), (), "not a square number"),
        (np.zeros((0, 8, 8, 3), np.uint8), ("frame",), "shape"),
        (np.zeros((8, 8, 3), np.uint8), ("frame",), "shape"),
        (np.zeros((2, 8, 8, 3), np.uint8), ("depth",), "tile 'depth'"),
    ],
)
def test_what_makes_no_grid_is_refused(
    frames: NDArray[np.uint8], layout: tuple[str, ...], reason: str
) -> None:
    with pytest.raises(GridError, match=reason):
        frame_grid(frames, 16, layout)
