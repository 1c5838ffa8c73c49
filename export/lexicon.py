"""Words by what may stand in their place, read from lexicon.txt; see its head for the notation."""

from collections.abc import Iterable, Iterator
from pathlib import Path

_VOWELS = frozenset("aeiou")


def lexicon() -> dict[str, str]:
    """Map each word of lexicon.txt, in all its forms, to the name of its class."""
    classes: dict[str, str] = {}
    for kind, name, entries in _lines():
        for word, form in _forms(kind, entries):
            classes.setdefault(word, f"{name} {form}")
    return classes


def lemmas() -> dict[str, str]:
    """Map each word of lexicon.txt to its base form: dogs to dog, walks to walk; nouns before verbs."""
    bases: dict[str, str] = {}
    for wanted in ("", "noun", "verb"):
        for kind, _, entries in _lines():
            for entry in entries:
                base = entry.split("/")[0].removesuffix("+")
                for word, form in _forms(kind, [entry]):
                    if form == "one" if not wanted else kind == wanted:
                        bases.setdefault(word, base)
    return bases


def _lines() -> Iterator[tuple[str, str, list[str]]]:
    for line in (Path(__file__).parent / "lexicon.txt").read_text("utf-8").splitlines():
        head, _, entries = line.partition(":")
        if not line.startswith("#") and entries:
            kind, _, name = head.partition(" ")
            yield kind, name, entries.split()


def _forms(kind: str, entries: Iterable[str]) -> Iterator[tuple[str, str]]:
    for entry in entries:
        word, *irregular = entry.split("/")
        doubles, word = word.endswith("+"), word.removesuffix("+")
        yield word, "one"
        if kind == "noun":
            yield (irregular[0] if irregular else with_s(word)), "many"
        elif kind == "verb":
            stem = word + word[-1] if doubles else word
            yield with_s(word), "s"
            yield with_ing(word, stem), "ing"
            for past in irregular or [with_ed(word, stem)]:
                yield past, "ed"


def with_s(word: str) -> str:
    """Plural of a noun, third person of a verb."""
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return word + "es"
    if word.endswith("y") and word[-2:-1] not in _VOWELS:
        return word[:-1] + "ies"
    return word + ("es" if word in ("go", "do") else "s")


def with_ing(word: str, stem: str) -> str:
    """Present participle; `stem` has the last letter doubled where the verb wants it."""
    if word.endswith("ie"):
        return word[:-2] + "ying"
    if word.endswith("e") and not word.endswith("ee"):
        return word[:-1] + "ing"
    return stem + "ing"


def with_ed(word: str, stem: str) -> str:
    """Past form of a regular verb."""
    if word.endswith("e"):
        return word + "d"
    if word.endswith("y") and word[-2:-1] not in _VOWELS:
        return word[:-1] + "ied"
    return stem + "ed"
