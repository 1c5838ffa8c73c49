"""Which static table codes a token.

Weighted sums of the neighbourhood, in integers, say which value to expect and how sure that is; limits
cut both into bins, and each pair of bins has its table.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import mul

import numpy as np
from numpy.typing import NDArray

from wire.arrays import whole_numbers
from wire.neighbours import differences, own_neighbours, roughness, surroundings

TOTAL = 65536  # of each table
WEIGHT_BITS = 12
Tokens = NDArray[np.uint8]
Arrays = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class PlaneTables:
    """What one plane is coded with, as read from arrays.

    `outer` and `inner` weigh cells of earlier planes, and those of the own plane, for the value
    to expect; `outer_rough` and `inner_rough` weigh how much they differ, for its spread. `bins` and
    `spreads` are ascending limits; `ends` holds the running totals of each table.
    """

    outer: NDArray[np.int64]
    inner: list[int]
    outer_rough: NDArray[np.int64]
    inner_rough: list[int]
    bins: list[int]
    spreads: list[int]
    ends: list[list[int]]

    @classmethod
    def from_arrays(cls, arrays: Arrays, prefix: str, levels: int, earlier: int) -> "PlaneTables":
        """Read arrays that begin with `prefix`, with a table for each pair of bins.

        `earlier` planes come before this one. Raises KeyError for a missing array, ValueError for what does
        not fit together.
        """
        bins, spreads = (whole_numbers(arrays, f"{prefix}_{name}").tolist() for name in ("bins", "spreads"))
        weights = [whole_numbers(arrays, f"{prefix}_{name}") for name in ("outer", "inner")]
        weights += [whole_numbers(arrays, f"{prefix}_{name}") for name in ("outer_rough", "inner_rough")]
        if list(map(len, weights)) != [9 * earlier, 4, 9 * earlier, 6]:
            raise ValueError(f"{prefix} has {list(map(len, weights))} weights behind {earlier} planes")
        outer, inner, outer_rough, inner_rough = weights
        frequencies = arrays[f"{prefix}_frequencies"].reshape(-1, levels).astype(np.int64)
        if len(frequencies) != (len(bins) + 1) * (len(spreads) + 1):
            raise ValueError(f"{prefix} has {len(frequencies)} tables")
        if (frequencies < 1).any() or (frequencies.sum(axis=1) != TOTAL).any():
            raise ValueError(f"a table of {prefix} does not add up to {TOTAL}")
        return cls(
            outer,
            inner.tolist(),
            outer_rough,
            inner_rough.tolist(),
            bins,
            spreads,
            [list(accumulate(row)) for row in frequencies.tolist()],
        )


def table_of_each(
    tables: PlaneTables, earlier: Tokens, own: Sequence[int], cells: Sequence[int], levels: int
) -> Iterator[list[int]]:
    """Give the table of each of `cells`, in order.

    `earlier` are the planes before (P, h, w). `own` are the plane's centred tokens, 0 where unknown: the
    caller enters each one before it asks for the next table.
    """
    width, columns = earlier.shape[-1], len(tables.spreads) + 1
    around = surroundings(earlier, levels)
    values = (around @ tables.outer).ravel().tolist()
    spreads = (roughness(around) @ tables.outer_rough).ravel().tolist()
    for at in cells:
        near = own_neighbours(own, at, width)
        value = values[at] + sum(map(mul, tables.inner, near))
        spread = spreads[at] + sum(map(mul, tables.inner_rough, differences(*near)))
        row, column = bisect_right(tables.bins, value), bisect_right(tables.spreads, spread)
        yield tables.ends[row * columns + column]
