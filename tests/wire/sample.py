"""Captions and tokens for tests: such as cameras give, but made up."""

import numpy as np
from numpy.typing import NDArray

Tables = dict[str, NDArray[np.generic]]

CAPTIONS = [
    "a brown dog runs to the left in a park",
    "a white car drives up on a grey street",
    "a man in a red shirt walks slowly to the right",
    "two people stand still on a white floor",
    "the camera pans right quickly over a green field",
    "a woman holds a blue cup and nothing moves",
]


def changed_tokens(count: int, seed: int) -> NDArray[np.uint8]:
    """Make tokens (2 x count, 6, 8, 8): the second half is the first, but for a corner that moved."""
    before, other = smooth_tokens(count, seed), smooth_tokens(count, seed + 1000)
    after = before.copy()
    after[..., 4:, 4:] = other[..., 4:, 4:]
    return np.concatenate([before, after])


def smooth_tokens(count: int, seed: int) -> NDArray[np.uint8]:
    """Make tokens (count, 6, 8, 8) below 8 that are alike where cells and planes are neighbours."""
    chance = np.random.default_rng(seed)
    field = chance.normal(size=(count, 6, 10, 10))
    field = field[..., 1:, :] + field[..., :-1, :]
    field = field[..., 1:] + field[..., :-1]
    field[:, 1:] += field[:, :-1]
    field /= field.std()
    return np.clip(np.round(field[..., :8, :8] * 1.6 + 3.5), 0, 7).astype(np.uint8)


def plain_tables(
    shape: tuple[int, int, int], levels: int, coarse_planes: int
) -> dict[str, NDArray[np.generic]]:
    """Make tables for tokens of `shape` (planes, h, w) in which every level is as likely as any other."""
    tables: dict[str, NDArray[np.generic]] = {
        "shape": np.array([levels, *shape, coarse_planes]),
        "weights": np.ones(coarse_planes),
    }
    for plane in range(shape[0]):
        tables |= {
            f"alone{plane}_outer": np.zeros(9 * plane, np.int32),
            f"alone{plane}_inner": np.zeros(4, np.int32),
            f"alone{plane}_outer_rough": np.zeros(9 * plane, np.int32),
            f"alone{plane}_inner_rough": np.zeros(6, np.int32),
            f"alone{plane}_bins": np.zeros(0, np.int32),
            f"alone{plane}_spreads": np.zeros(0, np.int32),
            f"alone{plane}_frequencies": np.full((1, 1, levels), 65536 // levels, np.uint16),
        }
    return tables
