"""N-gram counts, and the tables of `wire.ngram` from them: interpolated Kneser-Ney."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from wire.ngram import UNIT

Counts = dict[tuple[int, ...], Counter[int]]

# Every context leaves this much more to its shorter one than the counts ask for: what is to be coded shows
# other scenes than what was counted. Chosen on captions of clips left out, not on the benchmark's.
_RESERVE = 0.3


def count_ngrams(sequences: Iterable[Sequence[int]], start: int, longest: int) -> list[Counts]:
    """Count what follows each context of 0 to `longest` symbols; `start` stands before each sequence."""
    counts: list[Counts] = [defaultdict(Counter) for _ in range(longest + 1)]
    for sequence in sequences:
        padded = [start, *sequence]
        for at in range(1, len(padded)):
            for length in range(min(longest, at) + 1):
                counts[length][tuple(padded[at - length : at])][padded[at]] += 1
    return counts


def ngram_tables(prefix: str, counts: list[Counts], first: int = 0) -> dict[str, NDArray[np.generic]]:
    """Tables of `wire.ngram.NgramModel` for contexts of `first` to the counts' longest.

    Kneser-Ney with three discounts: Chen and Goodman, An empirical study of smoothing techniques, 1999.
    """
    tables: dict[str, NDArray[np.generic]] = {}
    for length in range(first, len(counts)):
        level = counts[length]
        if length + 1 < len(counts):
            level = _continuations(level, counts[length + 1])
        for name, array in _level_tables(level, length).items():
            tables[f"{prefix}{length}_{name}"] = array
    return tables


def _level_tables(level: Counts, length: int) -> dict[str, NDArray[np.generic]]:
    discounts = _discounts(level)
    keeps, offsets, symbols, adds = list[int](), [0], list[int](), list[int]()
    contexts = sorted(level)
    for context in contexts:
        followers = sorted(level[context].items())
        unit = UNIT * (1 - _RESERVE) / sum(count for _, count in followers)
        bonus = [int(unit * (count - discounts[min(count, 3)])) for _, count in followers]
        keeps.append(UNIT - max(sum(bonus), 1))
        symbols += [symbol for symbol, _ in followers]
        adds += bonus
        offsets.append(len(symbols))
    return {
        "contexts": np.array(contexts, np.uint16).reshape(len(contexts), length),
        "keeps": np.array(keeps, np.uint16),
        "offsets": np.array(offsets, np.uint32),
        "symbols": np.array(symbols, np.uint16),
        "adds": np.array(adds, np.uint16),
    }


def _continuations(level: Counts, longer: Counts) -> Counts:
    """Count in how many longer contexts a symbol follows; as often as seen where there is no longer one."""
    found: Counts = defaultdict(Counter)
    for context, followers in longer.items():
        for symbol in followers:
            found[context[1:]][symbol] += 1
    for context, followers in level.items():
        for symbol, count in followers.items():
            if symbol not in found[context]:
                found[context][symbol] = count
    return found


def _discounts(level: Counts) -> tuple[float, float, float, float]:
    """Give what to take from counts of 0, 1, 2, and 3 or more."""
    tally = Counter(min(count, 4) for followers in level.values() for count in followers.values())
    n1, n2, n3, n4 = (tally[count] + 1 for count in (1, 2, 3, 4))  # + 1: none may be zero
    y = n1 / (n1 + 2 * n2)
    once, twice, more = 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3
    return 0.0, once, min(max(twice, 0.1), 1.9), min(max(more, 0.1), 2.9)
