"""Which of many queries a caption answers, as search would find it. Pure.

    queries --the word that fewest of them want--> index         "red car", car rain  ->  red: 0, rain: 1
    caption --its words, and how they begin--> candidates --every phrase--> matches

A caption costs a look-up for each of its words, and work only for queries whose rarest word it has: thousands
of queries are no more work than a few. Words are those of `cloud.query`.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cloud.query import Phrase, Query, words_of


class _Anchor(NamedTuple):
    """A word that a caption must have, or begin one with."""

    word: str
    prefix: bool


class Matcher:
    """Knows queries by their place in `queries`."""

    def __init__(self, queries: Sequence[Query]) -> None:
        self._needles = [_Needles.of(query) for query in queries]
        self._whole: defaultdict[str, list[int]] = defaultdict(list)
        self._begun: defaultdict[str, list[int]] = defaultdict(list)
        self._anywhere: list[int] = []  # those that only say what they do not want
        wanted_by = Counter(anchor for query in queries for anchor in set(_anchors(query)))
        for place, query in enumerate(queries):
            rarest = min(_anchors(query), key=lambda anchor: _weight(anchor, wanted_by), default=None)
            if rarest is None:
                if not query.is_empty:
                    self._anywhere.append(place)
            else:
                (self._begun if rarest.prefix else self._whole)[rarest.word].append(place)
        self._lengths = sorted({len(beginning) for beginning in self._begun})

    def match(self, caption: str) -> list[int]:
        """Give the places of the queries that the caption answers, ascending."""
        words = words_of(caption)
        haystack, needles = _haystack(words), self._needles
        return sorted(place for place in self._candidates(set(words)) if needles[place].are_in(haystack))

    def _candidates(self, words: set[str]) -> set[int]:
        found = set(self._anywhere)
        for word in words:
            found.update(self._whole.get(word, ()))
        for length in self._lengths:
            for beginning in {word[:length] for word in words if len(word) >= length}:
                found.update(self._begun.get(beginning, ()))
        return found


def answers(query: Query, words: Sequence[str]) -> bool:
    """Tell whether search would find a caption of these words."""
    return not query.is_empty and _Needles.of(query).are_in(_haystack(words))


class _Needles(NamedTuple):
    """A query as what must be in a haystack, and what must not: a phrase is found as one string."""

    wanted: tuple[str, ...]
    unwanted: tuple[str, ...]

    @classmethod
    def of(cls, query: Query) -> "_Needles":
        return cls(tuple(map(_needle, query.wanted)), tuple(map(_needle, query.unwanted)))

    def are_in(self, haystack: str) -> bool:
        return all(each in haystack for each in self.wanted) and not any(
            each in haystack for each in self.unwanted
        )


def _haystack(words: Sequence[str]) -> str:
    """Write words so that each begins and ends with a space; none has one in it."""
    return f" {' '.join(words)} "


def _needle(phrase: Phrase) -> str:
    return f" {' '.join(phrase.words)}" + ("" if phrase.prefix else " ")


def _anchors(query: Query) -> Iterator[_Anchor]:
    for phrase in query.wanted:
        *before, last = phrase.words
        yield from (_Anchor(word, prefix=False) for word in before)
        yield _Anchor(last, phrase.prefix)


def _weight(anchor: _Anchor, wanted_by: Counter[_Anchor]) -> tuple[bool, int, int]:
    """Say how bad an anchor is: beginnings are found more often than words, short ones than long ones."""
    return anchor.prefix, wanted_by[anchor], -len(anchor.word)
