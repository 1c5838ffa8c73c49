"""What people type to search captions. Pure: no text is refused, none reaches a database as its own syntax.

car "red car" -rain ped*      has car, red before car, and a word that begins with ped, but not rain

Words are runs of letters and digits in any case. Whatever else is typed only separates them: `close-up` and
`AND(close, up)` are words, too. Excluded, what was typed together is one phrase: -close-up leaves `up` alone.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

_PARTS = re.compile(r'(-?)(?:"([^"]*)(?:"|$)|([^\s"]+))')
_WORDS = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that follow each other, one or more; of the last, only the beginning if `prefix`."""

    words: Sequence[str]
    prefix: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """Captions have all of `wanted` and none of `unwanted`; nothing is found where both are empty."""

    wanted: Sequence[Phrase]
    unwanted: Sequence[Phrase]

    @classmethod
    def parse(cls, text: str) -> "Query":
        """Read what was typed."""
        wanted, unwanted = list[Phrase](), list[Phrase]()
        for minus, quoted, bare in _PARTS.findall(text):
            words = words_of(quoted or bare)
            if not words:
                continue
            phrase = Phrase(words, prefix=bare.endswith("*"))
            if minus:
                unwanted.append(phrase)
            elif quoted:
                wanted.append(phrase)
            else:
                wanted += [Phrase([word]) for word in words[:-1]] + [Phrase(words[-1:], phrase.prefix)]
        return cls(wanted, unwanted)

    @property
    def is_empty(self) -> bool:
        return not self.wanted and not self.unwanted


def words_of(text: str) -> list[str]:
    """Give the words of a text, in small letters; an accent that was typed after its letter is part of it."""
    return _WORDS.findall(unicodedata.normalize("NFC", text).lower())


def fts5(query: Query, places: Sequence[str]) -> str:
    """Write a query for SQLite; `places` are words of the column `place`."""
    terms = [f'place : "{place}"' for place in places] + [_fts5(phrase) for phrase in query.wanted]
    wanted = " AND ".join(terms or ['place : "0all"'])  # FTS5 excludes from something only
    if not query.unwanted:
        return wanted
    return f"({wanted}) NOT ({' OR '.join(map(_fts5, query.unwanted))})"


def tsquery(query: Query) -> str:
    """Write a query for PostgreSQL."""
    wanted = [_tsquery(phrase) for phrase in query.wanted]
    return " & ".join(wanted + [f"!({_tsquery(phrase)})" for phrase in query.unwanted])


def closeness(query: Query, caption: str) -> float:
    """Tell which share of a caption's words is asked for, 0 to 1: how little else it says."""
    words = words_of(caption)
    asked = {word for phrase in query.wanted for word in phrase.words}
    begun = tuple(phrase.words[-1] for phrase in query.wanted if phrase.prefix)
    named = sum(word in asked or (bool(begun) and word.startswith(begun)) for word in words)
    return named / max(len(words), 1)


def _fts5(phrase: Phrase) -> str:
    return f'caption : "{" ".join(phrase.words)}"' + ("*" if phrase.prefix else "")


def _tsquery(phrase: Phrase) -> str:
    return " <-> ".join(f"'{word}'" for word in phrase.words) + (":*" if phrase.prefix else "")
