"""What is known around a token when it is coded, in integers; levels are centred on 0, what is unknown is 0.

earlier planes                           own plane: those that are known
      o  o  o                              up-left  up  up-right
      o  o  o                                left   ?
      o  o  o
"""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Cells = NDArray[np.int64]
Number = TypeVar("Number", int, NDArray[np.int64])

UNKNOWN = 255  # instead of a token: nothing has been sent for this plane of this cell
OWN = (3, 1, 0, 2)  # left, up, up-left, up-right among 3 x 3 cells


def centred(planes: NDArray[np.uint8], levels: int) -> Cells:
    """Give twice the distance of each token from the middle level; 0 where it is UNKNOWN."""
    values: Cells = 2 * planes.astype(np.int64) - (levels - 1)
    values[planes == UNKNOWN] = 0
    return values


def surroundings(planes: NDArray[np.uint8], levels: int) -> Cells:
    """Give the 3 x 3 cells around each cell of planes (..., P, h, w): (..., h, w, 9 x P).

    They are ordered by plane, then row by row; outside the grid is 0.
    """
    *batch, count, height, width = planes.shape
    padded = np.zeros((*batch, count, height + 2, width + 2), np.int64)
    padded[..., 1:-1, 1:-1] = centred(planes, levels)
    views = [padded[..., y : y + height, x : x + width] for y in range(3) for x in range(3)]
    stacked = np.stack([np.moveaxis(view, -3, -1) for view in views], axis=-1)  # (..., h, w, P, 9)
    around: Cells = stacked.reshape((*batch, height, width, 9 * count))
    return around


def roughness(around: Cells) -> Cells:
    """Give how much each of 3 x 3 cells differs from their middle; for the middle, from 0."""
    cells: Cells = around.reshape((*around.shape[:-1], -1, 9))
    middle = cells[..., 4:5]
    rough: Cells = np.abs(cells - middle)
    rough[..., 4:5] = np.abs(middle)
    return rough.reshape(around.shape)


def differences(left: Number, up: Number, up_left: Number, up_right: Number) -> tuple[Number, ...]:
    """Give how much the known neighbours of the own plane differ, from each other and from 0."""
    return (
        abs(left - up_left),
        abs(up - up_left),
        abs(up_right - up),
        abs(left - up),
        abs(left),
        abs(up),
    )


def own_neighbours(own: Sequence[int], at: int, width: int) -> tuple[int, int, int, int]:
    """Give left, up, up-left, up-right of cell `at` of a plane's centred tokens; 0 outside the grid."""
    x, above = at % width, at >= width
    left = own[at - 1] if x else 0
    up = own[at - width] if above else 0
    up_left = own[at - width - 1] if above and x else 0
    up_right = own[at - width + 1] if above and x + 1 < width else 0
    return left, up, up_left, up_right
