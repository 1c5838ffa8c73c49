"""Tags: the plain words that the captioner looks for in a picture, and which of them a sentence has.

classes.txt            1,000 ImageNet classes -> words          "dog animal | grass"
a caption's words      -> their base forms, if they are tags    "two dogs run" -> two, dog, run
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.lexicon import lemmas, lexicon

CLASSES = 1000
_OWN, _AROUND = 2, 1  # halves
_SPOKEN = 4  # captions that must use a word
# Classes of lexicon.txt that no picture shows.
_SILENT = frozenset(
    ("own", "the", "one", "and", "of", "with", "in", "on", "at", "to", "is", "it", "not", "slowly", "camera",
     "static", "pans", "proper", "front")
)  # fmt: skip


class Tags:
    """The words in order, and ImageNet's classes by them: `named` (1000, tags) uint8, in halves."""

    def __init__(self, words: Iterable[str], classes: dict[int, dict[str, int]]) -> None:
        self.words = list(words)
        self._ids = {word: number for number, word in enumerate(self.words)}
        self._bases = lemmas()
        self.named = np.zeros((CLASSES, len(self.words)), np.uint8)
        for number, halves in classes.items():
            for word, value in halves.items():
                self.named[number, self._ids[word]] = value

    @classmethod
    def of(cls, captions: Iterable[str]) -> "Tags":
        """Words of the classes, and those that captions use often enough; always in the same order."""
        classes, bases, kinds = read_classes(), lemmas(), lexicon()
        uses = Counter(base for text in captions for base in {bases.get(w, w) for w in text.split()})
        spoken = {
            word
            for word, count in uses.items()
            if count >= _SPOKEN and kinds.get(word, "?").split()[0] not in _SILENT
        }
        return cls(sorted(spoken.union(*classes.values())), classes)

    def __len__(self) -> int:
        return len(self.words)

    def of_text(self, text: str) -> NDArray[np.bool_]:
        """Which tags a sentence has (tags,)."""
        found = np.zeros(len(self.words), np.bool_)
        for word in text.split():
            number = self._ids.get(self._bases.get(word, word))
            if number is not None:
                found[number] = True
        return found


def read_classes() -> dict[int, dict[str, int]]:
    """Read classes.txt: words of each class in halves, 2 for what it is and 1 for what is around it."""
    classes: dict[int, dict[str, int]] = {}
    bases = lemmas()
    for line in (Path(__file__).parent / "classes.txt").read_text("utf-8").splitlines():
        numbers, colon, words = line.partition(":")
        if not colon or line.startswith("#"):
            continue
        own, _, around = words.partition("|")
        halves = dict.fromkeys((bases.get(w, w) for w in around.split()), _AROUND)
        halves |= dict.fromkeys((bases.get(w, w) for w in own.split()), _OWN)
        for part in numbers.split():
            first, _, last = part.partition("-")
            for number in range(int(first), int(last or first) + 1):
                classes[number] = halves
    return classes
