"""Sentences about everyday scenes, drawn from grammar.txt; see its head for the notation."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

Option = tuple[str, ...]


class Grammar:
    """Weighted context-free rules; the first is the sentence."""

    def __init__(self, text: str) -> None:
        self._options: dict[str, list[Option]] = {}
        self._weights: dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]] = {}
        for line in text.splitlines():
            name, colon, body = line.partition(":")
            if colon and not line.startswith("#"):
                parsed = [_weighted(option) for option in body.split("|")]
                weights = np.array([weight for weight, _ in parsed], np.float64)
                self._options[name] = [words for _, words in parsed]
                self._weights[name] = weights / weights.sum()
        self._start = next(iter(self._options))
        missing = {word for word in self._used() if word.startswith("$")} - {f"${n}" for n in self._options}
        if missing:
            raise ValueError(f"the grammar names {', '.join(sorted(missing))} but has no such rule")

    @classmethod
    def shipped(cls) -> "Grammar":
        """Read grammar.txt."""
        return cls((Path(__file__).parent / "grammar.txt").read_text("utf-8"))

    def words(self) -> set[str]:
        """Every word that a sentence may have."""
        return {word for word in self._used() if not word.startswith("$")} | {"an"}

    def draw(self, random: np.random.Generator) -> str:
        """Draw a sentence."""
        words = list(self._expand(f"${self._start}", random))
        for place, (article, word) in enumerate(pairwise(words)):
            if article == "a" and word[0] in "aeio":  # the grammar has no silent h, and u as in uniform
                words[place] = "an"
        return " ".join(words)

    def _expand(self, symbol: str, random: np.random.Generator) -> Iterator[str]:
        if not symbol.startswith("$"):
            yield symbol
            return
        name = symbol[1:]
        option = self._options[name][int(random.choice(len(self._options[name]), p=self._weights[name]))]
        for word in option:
            yield from self._expand(word, random)

    def _used(self) -> set[str]:
        return {word for options in self._options.values() for option in options for word in option}


def _weighted(option: str) -> tuple[float, Option]:
    weight, star, words = option.strip().rpartition("*")
    return (float(weight) if star else 1.0), tuple(words.split())
