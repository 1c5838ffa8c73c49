"""Frequency tables for the caption and the token coder, from what they are to code."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from export.lexicon import lexicon
from wire.ngram import EMIT_BITS, UNIT
from wire.text import END, ESCAPE, FIRST_WORD, SPELLED, SPELLING_ORDER
from wire.tokens import TOTAL, WEIGHT_BITS, outer_sums

Array = NDArray[np.generic]

Counts = dict[tuple[int, ...], Counter[int]]

WORD_ORDER = 3
_BINS = 24
_SPREADS = 3
_RIDGE = 50.0  # pulls weights to zero where data is thin
_PRIOR = 12.0  # symbols' worth of the coarser table that each table begins with


def text_tables(captions: Iterable[str]) -> dict[str, Array]:
    """Tables of `wire.text.TextModel` from training captions and the lexicon."""
    sentences = [caption.split() for caption in captions]
    uses = Counter(word for sentence in sentences for word in sentence)
    LEX = lexicon()
    classes = word_classes(sentences, LEX)
    words = sorted(classes)
    ids = {word: index + FIRST_WORD for index, word in enumerate(words)}
    names = sorted(set(classes.values()))
    class_of = [0, 1, *(names.index(classes[word]) + 2 for word in words)]
    coded = [[ids[word] for word in sentence] for sentence in sentences]
    rare = {ids[word] for word, count in uses.items() if count <= RARE and word not in LEX}
    tables: dict[str, Array] = {
        "words": np.frombuffer("\n".join(words).encode(), np.uint8),
        "classes": np.array(class_of, np.uint8),
        "emits": _emits(np.array(class_of), np.array([0, 0, *(uses[word] for word in words)])),
    }
    word_counts = _word_counts(coded, rare)
    tables |= ngram_tables("word", word_counts, range(1, 3))
    masked = [[ESCAPE if w in rare else w for w in sentence] for sentence in coded]
    classed = [[class_of[w] for w in [*sentence, END]] for sentence in coded] + [
        [class_of[w] for w in [*sentence, END]] for sentence in masked
    ]
    tables |= ngram_tables("class", _grams(classed, [END], 4), range(4))
    spelled = [[*word.encode(), SPELLED] for word in words]
    tables |= ngram_tables("spelling", _grams(spelled, [SPELLED], SPELLING_ORDER), range(SPELLING_ORDER))
    return tables


def _emits(classes: NDArray[np.int64], uses: NDArray[np.int64]) -> NDArray[np.uint32]:
    alpha = ALPHA
    weight = uses + alpha
    totals = np.bincount(classes, weight)
    return np.maximum(weight / totals[classes] * (1 << EMIT_BITS), 1).astype(np.uint32)


ALPHA = 0.1
RARE = 1


def word_classes(sentences: list[list[str]], known: dict[str, str]) -> dict[str, str]:
    """Give every word a class: the lexicon's, else the one whose neighbours are most like the word's."""
    names = ["", *sorted(set(known.values()))]
    number = {name: index for index, name in enumerate(names)}
    pairs = np.ones((len(names), len(names)))
    around: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for sentence in sentences:
        numbers = [0, *(number.get(known.get(word, ""), 0) for word in sentence), 0]
        np.add.at(pairs, (numbers[:-1], numbers[1:]), 1)
        for at, word in enumerate(sentence):
            if word not in known:
                around[word].append((numbers[at], numbers[at + 2]))
    before = np.log(pairs / pairs.sum(axis=0))
    after = np.log(pairs / pairs.sum(axis=1, keepdims=True))
    found = dict(known)
    for word, places in around.items():
        score = sum((before[left] + after[:, right] for left, right in places), np.zeros(len(names)))
        found[word] = names[int(score[1:].argmax()) + 1]
    return found


def _word_counts(sentences: list[list[int]], rare: set[int]) -> list[Counts]:
    """Count n-grams; words seen once also count as unknown ones, which is how unknown ones behave."""
    counts = _grams([[*sentence, END] for sentence in sentences], [END], WORD_ORDER)
    masked = [[ESCAPE if word in rare else word for word in sentence] for sentence in sentences]
    unknown = _grams([[*sentence, END] for sentence in masked], [END], WORD_ORDER)
    for known, more in zip(counts, unknown, strict=True):
        for context, followers in more.items():
            for symbol, count in followers.items():
                if symbol == ESCAPE or ESCAPE in context:
                    known.setdefault(context, Counter())[symbol] += count
    return counts


def _grams(sequences: Iterable[Sequence[int]], start: Sequence[int], order: int) -> list[Counts]:
    """Count what follows each context of 0 to order - 1 symbols; `start` stands before each sequence."""
    counts: list[Counts] = [defaultdict(Counter) for _ in range(order)]
    for sequence in sequences:
        padded = [*start, *sequence]
        for at in range(len(start), len(padded)):
            for length in range(min(order, at + 1)):
                counts[length][tuple(padded[at - length : at])][padded[at]] += 1
    return counts


def ngram_tables(prefix: str, counts: list[Counts], lengths: range) -> dict[str, Array]:
    """Estimate by interpolated Kneser-Ney with three discounts (Chen and Goodman 1999)."""
    tables: dict[str, Array] = {}
    for length in lengths:
        raw = counts[length]
        level = _continuations(raw, counts[length + 1]) if length + 1 < len(counts) else raw
        discounts = _discounts(level)
        keeps, offsets, symbols, adds = list[int](), [0], list[int](), list[int]()
        contexts = sorted(level)
        for context in contexts:
            followers = sorted(level[context].items())
            total = sum(count for _, count in followers)
            bonus = [int(UNIT * (count - discounts[min(count, 3)]) / total) for _, count in followers]
            keeps.append(min(UNIT - sum(bonus), UNIT - 1))
            symbols += [symbol for symbol, _ in followers]
            adds += bonus
            offsets.append(len(symbols))
        tables[f"{prefix}{length}_contexts"] = np.array(contexts, np.uint16).reshape(len(contexts), length)
        tables[f"{prefix}{length}_keeps"] = np.array(keeps, np.uint16)
        tables[f"{prefix}{length}_offsets"] = np.array(offsets, np.uint32)
        tables[f"{prefix}{length}_symbols"] = np.array(symbols, np.uint16)
        tables[f"{prefix}{length}_adds"] = np.array(adds, np.uint16)
    return tables


def _continuations(raw: Counts, longer: Counts) -> Counts:
    """Count in how many longer contexts a symbol follows; raw counts where there is no longer one."""
    level: Counts = defaultdict(Counter)
    for context, followers in longer.items():
        for symbol in followers:
            level[context[1:]][symbol] += 1
    for context, followers in raw.items():
        for symbol, count in followers.items():
            if symbol not in level[context]:
                level[context][symbol] = count
    return level


def _discounts(level: Counts) -> tuple[float, float, float, float]:
    """Give what to take from counts of 0, 1, 2, and 3 or more."""
    tally = Counter(min(count, 4) for followers in level.values() for count in followers.values())
    n1, n2, n3, n4 = (tally[count] + 1 for count in (1, 2, 3, 4))
    y = n1 / (n1 + 2 * n2)
    return (
        0.0,
        max(1 - 2 * y * n2 / n1, 0.1),
        min(max(2 - 3 * y * n3 / n2, 0.1), 1.9) if n2 else 1.0,
        min(max(3 - 4 * y * n4 / n3, 0.1), 2.9) if n3 else 1.5,
    )


def token_tables(tokens: NDArray[np.uint8], levels: int, coarse_planes: int) -> dict[str, Array]:
    """Tables of `wire.tokens.TokenModel` from training tokens (N, D, h, w)."""
    _, planes, height, width = tokens.shape
    outer = np.zeros((planes, 9 * planes), np.int32)
    inner = np.zeros((planes, 4), np.int32)
    bins = np.zeros((planes, _BINS - 1), np.int32)
    spreads = np.zeros((planes, _SPREADS - 1), np.int32)
    frequencies = np.zeros((planes, _BINS, _SPREADS, levels), np.uint16)
    for plane in range(planes):
        near = _inner_neighbours(tokens[:, plane], levels)
        weights = _weights(tokens, plane, near, levels)
        outer[plane, : 9 * plane], inner[plane] = weights[: 9 * plane], weights[9 * plane :]
        value = _outer(tokens, plane, outer[plane, : 9 * plane], levels) + near @ inner[plane]
        left, up, up_left, up_right = np.moveaxis(near, -1, 0)
        spread = abs(left - up_left) + abs(up - up_left) + abs(up_right - up)
        bins[plane] = _limits(value, _BINS)
        spreads[plane] = _limits(spread, _SPREADS)
        row = np.searchsorted(bins[plane], value, "right")
        column = np.searchsorted(spreads[plane], spread, "right")
        frequencies[plane] = _frequencies(tokens[:, plane], row, column, levels)
    shape = np.array([levels, planes, height, width, coarse_planes], np.int32)
    return {
        "shape": shape,
        "outer": outer,
        "inner": inner,
        "bins": bins,
        "spreads": spreads,
        "frequencies": frequencies,
    }


def _inner_neighbours(plane: NDArray[np.uint8], levels: int) -> NDArray[np.int64]:
    """Centred left, up, up-left, up-right of each cell: (N, h, w) to (N, h, w, 4); outside is 0."""
    count, height, width = plane.shape
    padded = np.zeros((count, height + 1, width + 2), np.int64)
    padded[:, 1:, 1:-1] = 2 * plane.astype(np.int64) - (levels - 1)
    views = (padded[:, 1:, :-2], padded[:, :-1, 1:-1], padded[:, :-1, :-2], padded[:, :-1, 2:])
    return np.stack(views, axis=-1)


def _outer(
    tokens: NDArray[np.uint8], plane: int, weights: NDArray[np.int32], levels: int
) -> NDArray[np.int64]:
    return np.stack([outer_sums(item[:plane], weights.astype(np.int64), levels) for item in tokens])


def _weights(
    tokens: NDArray[np.uint8], plane: int, near: NDArray[np.int64], levels: int
) -> NDArray[np.int64]:
    """Least squares of a cell's centred value on its neighbours, in 1/2**WEIGHT_BITS."""
    count, _, height, width = tokens.shape
    padded = np.zeros((count, plane, height + 2, width + 2), np.float32)
    padded[:, :, 1:-1, 1:-1] = 2 * tokens[:, :plane].astype(np.float32) - (levels - 1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    far = windows.transpose(0, 2, 3, 1, 4, 5).reshape(count * height * width, 9 * plane)
    features = np.concatenate([far, near.reshape(-1, 4)], axis=1).astype(np.float64)
    target = 2 * tokens[:, plane].astype(np.float64).ravel() - (levels - 1)
    gram = features.T @ features + _RIDGE * np.eye(features.shape[1])
    solution = np.linalg.solve(gram, features.T @ target)
    return np.round(solution * 2**WEIGHT_BITS).astype(np.int64)


def _limits(values: NDArray[np.int64], parts: int) -> NDArray[np.int64]:
    """Ascending limits that cut `values` into about equal parts."""
    return np.quantile(values, np.arange(1, parts) / parts, method="nearest").astype(np.int64)


def _frequencies(
    symbols: NDArray[np.uint8], row: NDArray[np.int64], column: NDArray[np.int64], levels: int
) -> NDArray[np.uint16]:
    counts = np.zeros((_BINS, _SPREADS, levels))
    np.add.at(counts, (row.ravel(), column.ravel(), symbols.ravel()), 1)
    whole = counts.sum(axis=(0, 1)) + 1
    by_row = counts.sum(axis=1) + _PRIOR * whole / whole.sum()
    by_row /= by_row.sum(axis=-1, keepdims=True)
    mixed = counts + _PRIOR * by_row[:, None]
    return _quantise(mixed / mixed.sum(axis=-1, keepdims=True))


def _quantise(shares: NDArray[np.float64]) -> NDArray[np.uint16]:
    """Round shares (..., levels) to frequencies of at least 1 that add up to TOTAL."""
    levels = shares.shape[-1]
    frequencies = 1 + np.floor(shares * (TOTAL - levels)).astype(np.int64)
    largest = frequencies.argmax(axis=-1)[..., None]
    rest = TOTAL - frequencies.sum(axis=-1, keepdims=True)
    np.put_along_axis(frequencies, largest, np.take_along_axis(frequencies, largest, -1) + rest, -1)
    return frequencies.astype(np.uint16)
