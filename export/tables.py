"""Frequency tables for the caption and the token coder, from what they are to code."""

from collections import Counter, defaultdict
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from export.lexicon import lexicon
from export.ngrams import Counts, count_ngrams, ngram_tables
from export.planes import plane_tables
from wire.ngram import CLASS_CONTEXT, EMIT_BITS, WORD_CONTEXT
from wire.text import END, ESCAPE, FIRST_WORD, SPELLED, SPELLING_CONTEXT
from wire.vector import LIMIT, SYMBOLS, TOTAL

Array = NDArray[np.generic]

VECTOR_STEPS = 3.0  # a standard deviation: 3.6 bits a dimension, and a cosine of .99 and more
_PRIOR = 8.0  # samples that the mean variance of all dimensions counts for

_UNSEEN = 2.0  # uses that each word gets before counting, so that the lexicon's words have a share
_RARE = 2  # a word that the lexicon lacks and that is used no oftener stands for all unknown ones


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


def vector_tables(values: NDArray[np.float32], steps: float = VECTOR_STEPS) -> dict[str, Array]:
    """Tables of `wire.vector.VectorModel` from training embeddings (N, D), N at least 2.

    A dimension's step is its standard deviation over `steps`; with few samples that is drawn towards the
    mean of all dimensions.
    """
    mean = values.mean(axis=0, dtype=np.float64)
    spread = ((values - mean) ** 2).sum(axis=0, dtype=np.float64)
    typical = spread.mean() / (len(values) - 1)
    variance = (spread + _PRIOR * typical) / (len(values) - 1 + _PRIOR)
    step = np.sqrt(np.maximum(variance, 1e-12)) / steps
    tables = {"mean": mean.astype(np.float32), "step": step.astype(np.float32)}
    quantised = np.clip(np.round((values - mean) / step), -LIMIT, LIMIT).astype(np.int64)
    places = np.arange(-LIMIT, LIMIT + 1)
    expected = np.exp(-0.5 * (places / steps) ** 2)
    counts = np.bincount((quantised + LIMIT).ravel(), minlength=SYMBOLS) + expected / expected.sum()
    frequencies = 1 + np.floor(counts / counts.sum() * (TOTAL - SYMBOLS)).astype(np.int64)
    frequencies[frequencies.argmax()] += TOTAL - frequencies.sum()
    return {**tables, "frequencies": frequencies.astype(np.int32)}


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


def token_tables(
    tokens: NDArray[np.uint8], levels: int, coarse_planes: int, weights: NDArray[np.float64] | None = None
) -> dict[str, Array]:
    """Tables of `wire.tokens.TokenModel` from training tokens (N, D, h, w).

    `weights`, one for each coarse plane, say what a squared difference of one level counts where up to 1
    together is no change; by default 1.
    """
    _, planes, height, width = tokens.shape
    tables: dict[str, Array] = {
        "shape": np.array([levels, planes, height, width, coarse_planes], np.int32),
        "weights": np.ones(coarse_planes) if weights is None else weights,
    }
    for plane in range(planes):
        for name, array in plane_tables(tokens, plane, levels).items():
            tables[f"alone{plane}_{name}"] = array
    return tables
