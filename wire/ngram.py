"""Interpolated n-gram models in integers: what the next symbol may be, after the last few.

A context holds, in 1/65536, the share of its shorter context (`keep`) and a bonus for each symbol
that was seen behind it (`adds`); how they were estimated is the table builder's business:

    p(symbol | context) = keep x p(symbol | shorter context) + add(symbol)
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from wire.arrays import whole_numbers

UNIT = 65536  # of keep and adds
MASS = 1 << 22  # what a distribution sums up to, about
EMIT_BITS = 20  # of a word's share in its class
CLASS_CONTEXT = 3  # classes that a word's class depends on
WORD_CONTEXT = 2


class NgramModel:
    """Refines a distribution over symbols by contexts of `first` to `last` symbols.

    `tables` holds arrays for each context length n, named `{prefix}{n}_contexts` (C, n), `_keeps` (C,),
    `_offsets` (C + 1,), `_symbols` below `size` and `_adds` (S,). Raises KeyError for a missing one,
    ValueError for what does not fit together.
    """

    def __init__(
        self, tables: Mapping[str, NDArray[np.generic]], prefix: str, first: int, last: int, size: int
    ) -> None:
        self._lengths = range(first, last + 1)
        self._contexts: dict[tuple[int, ...], tuple[int, NDArray[np.int64], NDArray[np.int64]]] = {}
        for length in self._lengths:
            name = f"{prefix}{length}"
            contexts = whole_numbers(tables, f"{name}_contexts", 2)
            keeps, offsets = (whole_numbers(tables, f"{name}_{each}") for each in ("keeps", "offsets"))
            symbols, adds = (whole_numbers(tables, f"{name}_{each}") for each in ("symbols", "adds"))
            if contexts.shape != (len(keeps), length) or len(symbols) != len(adds):
                raise ValueError(
                    f"{name} has {contexts.shape} contexts, {len(keeps)} keeps, {len(adds)} adds"
                )
            _check_range(name, keeps, UNIT)
            _check_range(name, adds, UNIT)
            _check_range(name, symbols, size - 1)
            _check_range(name, offsets, len(adds))
            if len(offsets) != len(keeps) + 1 or (np.diff(offsets) < 0).any():
                raise ValueError(f"{name} has offsets that do not ascend")
            adds *= MASS // UNIT
            bounds = zip(offsets.tolist(), offsets[1:].tolist(), strict=False)
            for key, keep, (start, stop) in zip(contexts.tolist(), keeps.tolist(), bounds, strict=True):
                self._contexts[tuple(key)] = (keep, symbols[start:stop], adds[start:stop])

    def refine(self, mass: NDArray[np.int64], history: Sequence[int]) -> NDArray[np.int64]:
        """Turn a context-free distribution into that of what follows `history` (oldest first)."""
        for length in self._lengths:
            if length > len(history):
                break
            found = self._contexts.get(tuple(history[len(history) - length :]))
            if found is None:
                break  # a longer context cannot be known if a shorter one is not
            keep, symbols, adds = found
            mass = mass * keep >> 16
            mass[symbols] += adds
        return mass


class SymbolModel:
    """Distributions over `size` symbols after at most `longest` others; none is impossible."""

    def __init__(
        self, tables: Mapping[str, NDArray[np.generic]], prefix: str, size: int, longest: int
    ) -> None:
        self._uniform = np.full(size, MASS // size, np.int64)
        self._model = NgramModel(tables, prefix, 0, longest, size)

    def frequencies(self, history: Sequence[int]) -> NDArray[np.int64]:
        """Give frequencies (size,), each at least 1, of what follows `history` (oldest first)."""
        return self._model.refine(self._uniform, history) + 1


class WordModel:
    """Distributions over words: by the classes of the last words, then by the words themselves.

    `classes` (W,) tells each word's class, `emits` (W,) its share within the class in 1/2**20.
    """

    def __init__(self, tables: Mapping[str, NDArray[np.generic]]) -> None:
        self._classes = whole_numbers(tables, "classes")
        self._emits = whole_numbers(tables, "emits")
        if not 0 < len(self._classes) == len(self._emits):
            raise ValueError("classes and emits do not fit together")
        _check_range("emits", self._emits, 1 << EMIT_BITS)
        _check_range("classes", self._classes, len(self._classes) - 1)
        self._class_of: list[int] = self._classes.tolist()
        self._class_model = SymbolModel(tables, "class", max(self._class_of) + 1, CLASS_CONTEXT)
        self._word_model = NgramModel(tables, "word", 1, WORD_CONTEXT, self.size)

    @property
    def size(self) -> int:
        return len(self._class_of)

    def frequencies(self, history: Sequence[int]) -> NDArray[np.int64]:
        """Give frequencies (W,), each at least 1, of what follows the words `history` (oldest first)."""
        by_class = self._class_model.frequencies([self._class_of[word] for word in history[-CLASS_CONTEXT:]])
        by_word = by_class[self._classes] * self._emits >> EMIT_BITS
        return self._word_model.refine(by_word, history) + 1


def _check_range(name: str, numbers: NDArray[np.int64], most: int) -> None:
    if numbers.min(initial=0) < 0 or numbers.max(initial=0) > most:
        raise ValueError(f"{name} has a number that is not between 0 and {most}")
