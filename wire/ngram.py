"""Interpolated n-gram models in integers: what the next symbol may be, after the last few.

A context holds, in 1/65536, the share of its shorter context (`keep`) and a bonus for each symbol
that was seen behind it (`adds`); how they were estimated is the table builder's business:

    p(symbol | context) = keep x p(symbol | shorter context) + add(symbol)
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

UNIT = 65536  # of keep and adds
MASS = 1 << 22  # what a distribution sums up to, about


class NgramModel:
    """Distributions over `size` symbols after at most `order` - 1 others.

    `tables` maps names that begin with `prefix` to arrays; for each context length n:
    `{n}_contexts` (C, n), `{n}_keeps` (C,), `{n}_offsets` (C + 1,), `{n}_symbols` and `{n}_adds` (S,).
    Raises KeyError for a missing array.
    """

    def __init__(self, tables: Mapping[str, NDArray[np.generic]], prefix: str, size: int, order: int) -> None:
        self.size = size
        self._order = order
        self._contexts: dict[tuple[int, ...], tuple[int, NDArray[np.int64], NDArray[np.int64]]] = {}
        for length in range(order):
            keys = tables[f"{prefix}{length}_contexts"].tolist()
            keeps = tables[f"{prefix}{length}_keeps"].tolist()
            offsets = tables[f"{prefix}{length}_offsets"].tolist()
            symbols = tables[f"{prefix}{length}_symbols"].astype(np.int64)
            adds = tables[f"{prefix}{length}_adds"].astype(np.int64) * (MASS // UNIT)
            for index, (key, keep) in enumerate(zip(keys, keeps, strict=True)):
                part = slice(offsets[index], offsets[index + 1])
                self._contexts[tuple(key)] = (keep, symbols[part], adds[part])

    def frequencies(self, history: Sequence[int]) -> NDArray[np.int64]:
        """Give frequencies (size,), each at least 1, of what follows `history` (oldest first)."""
        mass = np.full(self.size, MASS // self.size, np.int64)
        for length in range(min(self._order, len(history) + 1)):
            found = self._contexts.get(tuple(history[len(history) - length :]))
            if found is None:
                break  # a longer context cannot be known if a shorter one is not
            keep, symbols, adds = found
            mass = mass * keep >> 16
            mass[symbols] += adds
        return mass + 1
