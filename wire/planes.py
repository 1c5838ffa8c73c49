"""Which static table codes a token: one set for keyframes by themselves, one for what changed since another.

Weighted sums of the neighbourhood, in integers, say which value to expect and how sure that is; limits
cut both into bins, and each pair of bins has its table. For changes, the other keyframe's token at
the same place picks the table too: most often nothing has changed.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from operator import mul

import numpy as np
from numpy.typing import NDArray

from wire.neighbours import OWN, differences, own_neighbours, roughness, surroundings

TOTAL = 65536  # of each table
WEIGHT_BITS = 12
Tokens = NDArray[np.uint8]
Arrays = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class PlaneTables:
    """What one plane is coded with, as read from arrays.

    `outer` and `inner` weigh cells that are known beforehand, and those of the own plane, for the value
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
    def from_arrays(cls, arrays: Arrays, prefix: str, tables: int, levels: int) -> "PlaneTables":
        """Read arrays that begin with `prefix`, with `tables` tables for each pair of bins.

        Raises KeyError for a missing one, ValueError for what does not fit together.
        """
        bins, spreads = arrays[f"{prefix}_bins"].tolist(), arrays[f"{prefix}_spreads"].tolist()
        frequencies = arrays[f"{prefix}_frequencies"].reshape(-1, levels).astype(np.int64)
        if len(frequencies) != (len(bins) + 1) * (len(spreads) + 1) * tables:
            raise ValueError(f"{prefix} has {len(frequencies)} tables")
        if (frequencies < 1).any() or (frequencies.sum(axis=1) != TOTAL).any():
            raise ValueError(f"a table of {prefix} does not add up to {TOTAL}")
        return cls(
            arrays[f"{prefix}_outer"].astype(np.int64),
            arrays[f"{prefix}_inner"].tolist(),
            arrays[f"{prefix}_outer_rough"].astype(np.int64),
            arrays[f"{prefix}_inner_rough"].tolist(),
            bins,
            spreads,
            [list(accumulate(row)) for row in frequencies.tolist()],
        )


def table_of_each(tables: PlaneTables, earlier: Tokens, known: list[int], levels: int) -> Iterator[list[int]]:
    """Give each cell's table in order; `known` must hold all cells before the one asked for.

    `earlier` are the planes before (P, h, w).
    """
    width, columns = earlier.shape[-1], len(tables.spreads) + 1
    around = surroundings(earlier, levels)
    values = (around @ tables.outer).ravel().tolist()
    spreads = (roughness(around) @ tables.outer_rough).ravel().tolist()
    for at, (outer, outer_rough) in enumerate(zip(values, spreads, strict=True)):
        own = own_neighbours(known, at, width, levels)
        value = outer + sum(map(mul, tables.inner, own))
        spread = outer_rough + sum(map(mul, tables.inner_rough, differences(*own)))
        row, column = bisect_right(tables.bins, value), bisect_right(tables.spreads, spread)
        yield tables.ends[row * columns + column]


def table_of_each_change(
    tables: PlaneTables, earlier: Tokens, reference: Tokens, known: list[int], levels: int
) -> Iterator[list[int]]:
    """Like `table_of_each`, with `reference` (P + 1, h, w): the other keyframe's planes, the own one last."""
    width, columns, middle = earlier.shape[-1], len(tables.spreads) + 1, levels - 1
    before = surroundings(reference, levels)
    around = surroundings(earlier, levels)
    change = around - before[..., :-9]
    outer = np.concatenate([around, change, before[..., -9:]], axis=-1)
    values = (outer @ tables.outer).ravel().tolist()
    spreads = (np.abs(change) @ tables.outer_rough).ravel().tolist()
    own_before = before[..., -9:].reshape(-1, 9)[:, OWN].tolist()
    for at, token in enumerate(reference[-1].ravel().tolist()):
        own = own_neighbours(known, at, width, levels)
        moved = [now - then for now, then in zip(own, own_before[at], strict=True)]
        value = values[at] + sum(map(mul, tables.inner, (*own, *moved)))
        spread = spreads[at] + sum(map(mul, tables.inner_rough, map(abs, moved)))
        row = bisect_right(tables.bins, value - (2 * token - middle << WEIGHT_BITS))
        column = bisect_right(tables.spreads, spread)
        yield tables.ends[(row * columns + column) * levels + token]
