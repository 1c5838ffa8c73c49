"""Keeps forbidden words out of the beam: which tokens may not follow what was said so far.

    said      "a wo" + "man"            a token that would make a forbidden word complete may not come
              "a licence" + " plate"    nor one that would end a forbidden row of words
              "a" + " man's"            nor one that has it inside

Also words of which a forbidden one is only the beginning go that way ("man|hole"): what is not sayable is not
sayable in parts. A word that a single token spells as a whole is not touched ("manhole").
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edge.privacy.words import Forbidden, plain, split

_TAIL = re.compile(r"[^\W_]+\Z")
_HEAD = re.compile(r"\A[^\W_]+")


class TokenBan:
    """`pieces` is the text that each token adds, by id, with a space before it where a word begins."""

    def __init__(self, forbidden: Forbidden, pieces: Mapping[int, str]) -> None:
        self._pieces = {number: plain(piece) for number, piece in pieces.items()}
        self._heads = defaultdict[str, list[int]](list)  # go on with a word
        self._fresh = defaultdict[str, list[int]](list)  # begin one
        always = list[int]()
        for number, piece in self._pieces.items():
            head = _HEAD.match(piece)
            if head is not None:
                self._heads[head.group()].append(number)
            inside = split(piece[head.end() :] if head else piece)
            if inside:
                self._fresh[inside[0]].append(number)
            if forbidden.found_in(" ".join(inside)):
                always.append(number)
        self._always = np.array(sorted(always), np.int64)
        self._singles = sorted(phrase[0] for phrase in forbidden.phrases if len(phrase) == 1)
        self._rows = sorted(phrase for phrase in forbidden.phrases if len(phrase) > 1)

    def after(self, said: Sequence[int]) -> NDArray[np.int64]:
        """Give the tokens that may not follow these."""
        text = "".join(self._pieces.get(number, "") for number in said)
        tail = _TAIL.search(text)
        begun = tail.group() if tail else ""
        words = split(text[: tail.start()] if tail else text)
        whole = (*words, begun) if begun else words
        found = list[int]()
        for word in self._singles:
            found += self._completing(word, begun)
        for *before, last in self._rows:
            if _ends_with(words, before):
                found += self._completing(last, begun)
            if _ends_with(whole, before):
                found += self._fresh.get(last, ())
        return np.concatenate((self._always, np.array(found, np.int64)))

    def _completing(self, word: str, begun: str) -> Sequence[int]:
        return self._heads.get(word[len(begun) :], ()) if word.startswith(begun) and word != begun else ()


def _ends_with(words: Sequence[str], row: Sequence[str]) -> bool:
    return len(words) >= len(row) and tuple(words[len(words) - len(row) :]) == tuple(row)
