"""Frequency tables for the caption and the token coder, from what they are to code."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from export.lexicon import lexicon
from export.ngrams import Counts, count_ngrams, ngram_tables
from wire.ngram import CLASS_CONTEXT, EMIT_BITS, WORD_CONTEXT
from wire.text import END, ESCAPE, FIRST_WORD, SPELLED, SPELLING_CONTEXT
from wire.tokens import TOTAL, WEIGHT_BITS, differences, roughness, surroundings

Array = NDArray[np.generic]
Weights = NDArray[np.int64]

_UNSEEN = 2.0  # uses that each word gets before counting, so that the lexicon's words have a share
_RARE = 2  # a word that the lexicon lacks and that is used no oftener stands for all unknown ones

_BINS = 24
_SPREADS = 8
_CHUNK = 500  # keyframes worked on at a time, for memory's sake
_RIDGE = 50.0  # pulls weights to zero where data is thin
_PRIOR = 12.0  # symbols' worth of the coarser table that each table begins with


def text_tables(captions: Iterable[str]) -> dict[str, Array]:
    """Tables of `wire.text.TextModel` from training captions and the lexicon."""
    sentences = [caption.split() for caption in captions]
    uses = Counter(word for sentence in sentences for word in sentence)
    known = lexicon()
    by_word = word_classes(sentences, known)
    words, names = sorted(by_word), sorted(set(by_word.values()))
    numbers = {name: number for number, name in enumerate(names, FIRST_WORD)}
    classes = np.array([ESCAPE, END, *(numbers[by_word[word]] for word in words)])
    ids = {word: symbol for symbol, word in enumerate(words, FIRST_WORD)}
    rare = {ids[word] for word, count in uses.items() if count <= _RARE and word not in known}
    coded = [[*(ids[word] for word in sentence), END] for sentence in sentences]
    masked = [[ESCAPE if word in rare else word for word in sentence] for sentence in coded]
    classed = [classes[sentence].tolist() for sentence in coded + masked]
    spelled = [[*word.encode(), SPELLED] for word in words]
    return {
        "words": np.frombuffer("\n".join(words).encode(), np.uint8),
        "classes": classes.astype(np.uint8),
        "emits": _emits(classes, np.array([0, 0, *(uses[word] for word in words)])),
        **ngram_tables("class", count_ngrams(classed, END, CLASS_CONTEXT)),
        **ngram_tables("word", _word_counts(coded, masked), first=1),
        **ngram_tables("spelling", count_ngrams(spelled, SPELLED, SPELLING_CONTEXT)),
    }


def word_classes(sentences: list[list[str]], known: dict[str, str]) -> dict[str, str]:
    """Give every word a class: the known one, else the one whose neighbours are most like the word's."""
    names = ["", *sorted(set(known.values()))]
    numbers = {name: number for number, name in enumerate(names)}
    pairs = np.ones((len(names), len(names)))
    places: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for sentence in sentences:
        row = [0, *(numbers[known.get(word, "")] for word in sentence), 0]
        np.add.at(pairs, (row[:-1], row[1:]), 1)
        for at, word in enumerate(sentence):
            if word not in known:
                places[word].append((row[at], row[at + 2]))
    before = np.log(pairs / pairs.sum(axis=0))
    after = np.log(pairs / pairs.sum(axis=1, keepdims=True))
    found = dict(known)
    for word, neighbours in places.items():
        score = sum((before[left] + after[:, right] for left, right in neighbours), np.zeros(len(names)))
        found[word] = names[int(score[1:].argmax()) + 1]
    return found


def _emits(classes: NDArray[np.int64], uses: NDArray[np.int64]) -> NDArray[np.uint32]:
    weight = uses + _UNSEEN
    share = weight / np.bincount(classes, weight)[classes]
    return np.maximum(share * (1 << EMIT_BITS), 1).astype(np.uint32)


def _word_counts(coded: list[list[int]], masked: list[list[int]]) -> list[Counts]:
    """Count n-grams of words; those with an escape are of sentences where rare words are masked."""
    counts = count_ngrams(coded, END, WORD_CONTEXT)
    for known, more in zip(counts, count_ngrams(masked, END, WORD_CONTEXT), strict=True):
        for context, followers in more.items():
            for symbol, count in followers.items():
                if symbol == ESCAPE or ESCAPE in context:
                    known[context][symbol] += count
    return counts


def token_tables(tokens: NDArray[np.uint8], levels: int, coarse_planes: int) -> dict[str, Array]:
    """Tables of `wire.tokens.TokenModel` from training tokens (N, D, h, w)."""
    _, planes, height, width = tokens.shape
    outer = np.zeros((planes, 2, 9 * planes), np.int32)
    inner = np.zeros((planes, 4), np.int32)
    inner_rough = np.zeros((planes, 6), np.int32)
    bins = np.zeros((planes, _BINS - 1), np.int32)
    spreads = np.zeros((planes, _SPREADS - 1), np.int32)
    frequencies = np.zeros((planes, _BINS, _SPREADS, levels), np.uint16)
    for plane in range(planes):
        weights, rough = _weights(tokens, plane, levels)
        outer[plane, :, : 9 * plane] = weights[:-4], rough[:-6]
        inner[plane], inner_rough[plane] = weights[-4:], rough[-6:]
        sums = [(near @ weights, far @ rough) for near, far in _features(tokens, plane, levels)]
        value, spread = (np.concatenate(parts) for parts in zip(*sums, strict=True))
        bins[plane], spreads[plane] = _limits(value, _BINS), _limits(spread, _SPREADS)
        row = np.searchsorted(bins[plane], value, "right")
        column = np.searchsorted(spreads[plane], spread, "right")
        frequencies[plane] = _frequencies(tokens[:, plane].ravel(), row, column, levels)
    return {
        "shape": np.array([levels, planes, height, width, coarse_planes], np.int32),
        "outer": outer,
        "inner": inner,
        "inner_rough": inner_rough,
        "bins": bins,
        "spreads": spreads,
        "frequencies": frequencies,
    }


def _weights(tokens: NDArray[np.uint8], plane: int, levels: int) -> tuple[Weights, Weights]:
    """Least squares of a cell's centred value, then of how far that was off, in 1/2**WEIGHT_BITS."""
    target = (2 * tokens[:, plane].astype(np.float64) - (levels - 1)).ravel()
    values = _least_squares((near for near, _ in _features(tokens, plane, levels)), target)
    off = [near @ values for near, _ in _features(tokens, plane, levels)]
    missed = np.abs(target - np.concatenate(off) / 2**WEIGHT_BITS)
    return values, _least_squares((rough for _, rough in _features(tokens, plane, levels)), missed)


def _features(tokens: NDArray[np.uint8], plane: int, levels: int) -> Iterator[tuple[Weights, Weights]]:
    """Give what a plane's values and spreads depend on, (cells, 9 x plane + 4) and (cells, 9 x plane + 6)."""
    for start in range(0, len(tokens), _CHUNK):
        chunk = tokens[start : start + _CHUNK]
        around = surroundings(chunk[:, :plane], levels)
        own = surroundings(chunk[:, plane : plane + 1], levels)
        near = own[..., (3, 1, 0, 2)]  # left, up, up-left, up-right
        rough = np.stack(differences(*np.moveaxis(near, -1, 0)), axis=-1)
        yield (
            np.concatenate([around, near], axis=-1).reshape(-1, 9 * plane + 4),
            np.concatenate([roughness(around), rough], axis=-1).reshape(-1, 9 * plane + 6),
        )


def _least_squares(chunks: Iterable[Weights], target: NDArray[np.float64]) -> Weights:
    """Solve for weights; a constant is fitted too, but the limits of bins make up for leaving it out."""
    gram, moment, at = np.zeros((1, 1)), np.zeros(1), 0
    for chunk in chunks:
        features = np.concatenate([chunk, np.ones((len(chunk), 1))], axis=1)
        gram = gram + features.T @ features
        moment = moment + features.T @ target[at : at + len(chunk)]
        at += len(chunk)
    solution = np.linalg.solve(gram + _RIDGE * np.eye(len(gram)), moment)
    return np.round(solution[:-1] * 2**WEIGHT_BITS).astype(np.int64)


def _limits(values: Weights, parts: int) -> Weights:
    """Ascending limits that cut `values` into about equal parts."""
    return np.quantile(values, np.arange(1, parts) / parts, method="nearest").astype(np.int64)


def _frequencies(
    symbols: NDArray[np.uint8], row: NDArray[np.int64], column: NDArray[np.int64], levels: int
) -> NDArray[np.uint16]:
    counts = np.zeros((_BINS, _SPREADS, levels))
    np.add.at(counts, (row, column, symbols), 1)
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
