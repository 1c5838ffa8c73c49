"""Which of two versions is older.

Numbers count as numbers; what is before a release (a, b, rc, dev) as older than it, any other word as newer:
0.2.0.dev1 < 0.2.0a1 < 0.2.0rc1 < 0.2.0 < 0.2.0+fix < 0.2.0.1 < 0.10.0
"""

import re
from itertools import zip_longest

_PARTS = re.compile(r"[0-9]+|[a-z]+")
_BEFORE = {"dev": 0, "a": 1, "alpha": 1, "b": 2, "beta": 2, "c": 3, "rc": 3, "pre": 3}
_END = 10, 0, ""
_WORD, _NUMBER = 11, 12

_Rank = tuple[int, int, str]


def is_older(version: str, than: str) -> bool:
    """Tell whether the first is older; versions that differ in punctuation only are the same."""
    pairs = zip_longest(_ranks(version), _ranks(than), fillvalue=_END)
    return next((mine < other for mine, other in pairs if mine != other), False)


def _ranks(version: str) -> list[_Rank]:
    return [_rank(part) for part in _PARTS.findall(version.lower())]


def _rank(part: str) -> _Rank:
    if part.isdigit():
        return _NUMBER, int(part), ""
    return (_BEFORE[part], 0, "") if part in _BEFORE else (_WORD, 0, part)
