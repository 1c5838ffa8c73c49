"""What captions say of people, and what is said instead where they are drawn as stand-ins. Pure.

"an old man and his dog walk to the left"  -->  "a grey figure and dog walk to the left"
"""

import re
from pathlib import Path

from msgspec import Struct

from wire.toml import parse_as

FIGURE = "grey figure"  # what is said in place of a person

_FILE = Path(__file__).with_suffix(".toml")


class _Words(Struct, frozen=True, forbid_unknown_fields=True):
    """The file; `looks` is what is said of how they look, which is left out."""

    nouns: tuple[str, ...]
    words: tuple[str, ...]
    possessives: tuple[str, ...]
    looks: tuple[str, ...]


_GARMENTS = re.compile(
    r"\s+(?:(?:who\s+(?:is|are)\s+)?(?:wearing|dressed\s+in|clad\s+in)|with)\s+(?:an?\s+|the\s+|some\s+)?"
    r"(?:[\w-]+\s+){0,3}?(?:shirts?|t-shirts?|jackets?|coats?|hats?|caps?|dress(?:es)?|suits?|ties?|jeans|pants|"
    r"trousers|shorts|skirts?|uniforms?|helmets?|hood(?:ie)?s?|vests?|glasses|sunglasses|scarf|shoes|boots|backpacks?|hair|"
    r"beards?|clothes|clothing|outfits?)\b"
)  # fmt: skip
_IN = re.compile(
    r"\s+in\s+(?:an?\s+|the\s+)?(?:[\w-]+\s+){0,3}?(?:shirts?|t-shirts?|jackets?|coats?|hats?|caps?|dress(?:es)?|"
    r"suits?|jeans|pants|shorts|skirts?|uniforms?|helmets?|hood(?:ie)?s?|vests?|clothes|clothing|outfits?)\b"
)  # fmt: skip


def _plural(noun: str) -> str:
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "sh", "ch", "x")) else "s")


_SAID = parse_as(_FILE.read_bytes(), _Words, str(_FILE))
_PEOPLE = frozenset((*_SAID.nouns, *map(_plural, _SAID.nouns), *_SAID.words))
_POSSESSIVES = frozenset(_SAID.possessives)
_UNSAID = frozenset((*_SAID.looks, *_POSSESSIVES))
_TOKEN = re.compile(r"[A-Za-z0-9]+(?:['-][A-Za-z0-9]+)*|\s+|[^\sA-Za-z0-9]+")


def speaks_of_people(caption: str) -> bool:
    """Tell whether a caption says that there are people, or parts of them."""
    return any(_bare(token) in _PEOPLE or _bare(token) in _POSSESSIVES for token in _TOKEN.findall(caption))


def without_identities(caption: str) -> str:
    """Say a figure for each person, and nothing of how they look or what they wear; the rest stays."""
    if not speaks_of_people(caption):
        return caption
    bare = _IN.sub("", _GARMENTS.sub("", caption))
    said = list[str]()
    for token in _TOKEN.findall(bare):
        word = _bare(token)
        if word in _UNSAID:
            continue
        said.append(FIGURE if word in _PEOPLE else token)
    text = re.sub(r"\s+", " ", "".join(said)).strip()
    text = re.sub(rf"(?:{FIGURE}[ ,]*)+(?={FIGURE})", "", text)  # "young man" was two words of one person
    return re.sub(r"\b[Aa]n (?=grey)", "a ", text)


def _bare(token: str) -> str:
    return token.lower().removesuffix("'s")
