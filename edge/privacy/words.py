"""Words that captions may not say: topics of words.toml, and the user's own words in all their forms.

    "gender"     a topic              man, men, woman, his ...
    "uniform"    a word               uniform, uniforms, uniformed ...
    "red car"    words in a row       red car, red cars

Words are compared in lower case and without accents; everything that is no letter or digit parts them.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from importlib import resources

from msgspec import Struct

from wire.toml import fitted, parse

Phrase = tuple[str, ...]

_WORD = re.compile(r"[^\W_]+")
_ARTICLES = frozenset(("a", "an", "the"))
_SIBILANTS = ("s", "x", "z", "ch", "sh")


class _Topic(Struct, frozen=True, forbid_unknown_fields=True):
    nouns: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    pairs: tuple[tuple[str, ...], tuple[str, ...]] | None = None


class Forbidden:
    """A set of phrases, each of them words in a row."""

    def __init__(self, phrases: Iterable[Phrase]) -> None:
        self.phrases = frozenset(phrase for phrase in phrases if phrase)
        self._longest = max(map(len, self.phrases), default=0)

    @classmethod
    def of(cls, names: Iterable[str]) -> "Forbidden":
        """Make it of topics and words, as [sender] words has them."""
        known = topics()
        phrases = set[Phrase]()
        for name in names:
            phrases |= known[name.lower()] if name.lower() in known else forms(name)
        return cls(phrases)

    def __bool__(self) -> bool:
        return bool(self.phrases)

    def found_in(self, text: str) -> list[Phrase]:
        """List the phrases that a text says, in their order."""
        words = split(text)
        return [words[at:end] for at, end in self._places(words)]

    def without(self, text: str) -> str | None:
        """Leave out what a text may not say, and articles that are left alone; None if nothing stays.

        What is left is looked at again: what was apart may be a phrase now.
        """
        while text:
            matches = list(_WORD.finditer(text))
            places = self._places(tuple(plain(match.group()) for match in matches))
            if not places:
                break
            at, end = places[0]
            if at and plain(matches[at - 1].group()) in _ARTICLES:
                at -= 1
            text = f"{text[: matches[at].start()].rstrip(' -')} {text[matches[end - 1].end() :].lstrip(' -')}"
            text = re.sub(r"^'s\b|(?<=\s)'s\b", "", text)
            text = " ".join(text.split())
        return text if _WORD.search(text) else None

    def _places(self, words: Sequence[str]) -> list[tuple[int, int]]:
        found = list[tuple[int, int]]()
        for at in range(len(words)):
            ends = range(at + 1, min(at + self._longest, len(words)) + 1)
            found += [(at, end) for end in ends if tuple(words[at:end]) in self.phrases][-1:]
        return found


def split(text: str) -> Phrase:
    """Give the words of a text as they are compared."""
    return tuple(_WORD.findall(plain(text)))


def plain(text: str) -> str:
    """Write in lower case and without accents."""
    apart = unicodedata.normalize("NFKD", text.lower())
    return "".join(each for each in apart if not unicodedata.combining(each))


def forms(name: str) -> set[Phrase]:
    """Inflect a user's word, or the last of several: uniform, uniforms, uniformed, uniforming."""
    *before, last = split(name) or ("",)
    if not last:
        return set()
    return {(*before, form) for form in (last, *_plurals(last), *_verbs(last))}


@lru_cache(maxsize=1)
def topics() -> dict[str, set[Phrase]]:
    """Read the topics that have a name."""
    path = resources.files("edge.privacy") / "words.toml"
    found = fitted(parse(path.read_bytes(), path.name), dict[str, _Topic], path.name)
    return {name: _phrases(topic) for name, topic in found.items()}


def _phrases(topic: _Topic) -> set[Phrase]:
    phrases = {split(word) for word in topic.words}
    phrases |= {(form,) for noun in topic.nouns for form in (*split(noun), *_plurals(noun))}
    first, second = topic.pairs or ((), ())
    return phrases | {(one, other) for one in first for other in second}


def _plurals(word: str) -> list[str]:
    if word.endswith("y") and word[-2:-1] not in ("a", "e", "o", "u", ""):
        return [f"{word[:-1]}ies"]
    if word.endswith(_SIBILANTS):
        return [f"{word}es"]
    return [f"{word}s", f"{word[:-3]}men"] if word.endswith("man") else [f"{word}s"]


def _verbs(word: str) -> list[str]:
    if len(word) < 4:  # "he" must not ban "hed" and "hing"
        return []
    if word.endswith("e"):
        return [f"{word}d", f"{word[:-1]}ing"]
    if word.endswith("y") and word[-2] not in "aeou":
        return [f"{word[:-1]}ied", f"{word}ing"]
    doubled = f"{word}{word[-1]}"
    return [f"{word}ed", f"{word}ing", f"{doubled}ed", f"{doubled}ing"]
