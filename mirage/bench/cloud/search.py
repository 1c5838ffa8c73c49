"""How long a search takes among many captions on SQLite, by words, phrases, prefixes, places and times.

The captions are those that the shipped bundle's word tables were counted on; queries take their words from
them, so common words are asked for often.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from cloud.search import Scope, Search, Wanted
from cloud.store import Store
from export.sayable import sayable
from mirage.bench.cloud.stock import BEGAN_MS, CAMERAS, SEGMENT_MS, fill_with_captions
from mirage.bench.report import Gate
from mirage.errors import DemoError

TARGET_MS = 50.0
_QUERIES = 50  # of each kind
_HOUR_MS = 3_600_000

Random = np.random.Generator
Measured = tuple[dict[str, object], Gate]


def measure(captions: int, done: Callable[[], None]) -> Measured:
    """Store `captions` captions and search them; `done` is called after filling and after searching."""
    texts = sayable(())
    with tempfile.TemporaryDirectory(prefix="mirage-bench-") as folder:
        path = Path(folder) / "store.db"
        store = Store(f"sqlite:///{path}")
        began_s = time.perf_counter()
        fill_with_captions(store, captions, texts)
        filled_s = time.perf_counter() - began_s
        done()
        took_ms = {kind: _search(store, wanted) for kind, wanted in _queries(captions, texts).items()}
        done()
        store.close()
        size = path.stat().st_size
    every = [each for kind in took_ms.values() for each in kind]
    results: dict[str, object] = {"captions": captions, "fill_s": filled_s, "store_bytes": size}
    results |= {"all": _summary(every)} | {kind: _summary(each) for kind, each in took_ms.items()}
    gate = Gate.at_most("search, median", statistics.median(every), "ms", TARGET_MS)
    return results, gate


def _queries(captions: int, texts: Sequence[str]) -> Mapping[str, Sequence[Wanted]]:
    random = np.random.default_rng(1)
    end_ms = BEGAN_MS + captions // CAMERAS * SEGMENT_MS

    def words(count: int) -> list[str]:
        """Take words that follow each other in some caption."""
        found = str(random.choice(texts)).split()
        first = int(random.integers(max(len(found) - count, 0) + 1))
        return found[first : first + count]

    def camera() -> Mapping[Scope, str]:
        return {"camera": f"bench/bench/bench/cam-{random.integers(CAMERAS)}"}

    def hour() -> Wanted:
        from_ms = int(random.integers(BEGAN_MS, max(end_ms - _HOUR_MS, BEGAN_MS + 1)))
        return Wanted(" ".join(words(1)), {}, from_ms=from_ms, to_ms=from_ms + _HOUR_MS)

    kinds: dict[str, Callable[[], Wanted]] = {
        "word": lambda: Wanted(words(1)[0], {}),
        "words_2": lambda: Wanted(f"{words(1)[0]} {words(1)[0]}", {}),
        "words_3": lambda: Wanted(" ".join(words(1)[0] for _ in range(3)), {}),
        "phrase": lambda: Wanted(f'"{" ".join(words(2))}"', {}),
        "excluded": lambda: Wanted(f"{words(1)[0]} -{words(1)[0]}", {}),
        "prefix": lambda: Wanted(f"{words(1)[0][:3]}*", {}),
        "of_a_camera": lambda: Wanted(" ".join(words(2)), camera()),
        "within_an_hour": hour,
        "closest": lambda: Wanted(" ".join(words(2)), {}, order="closest"),
    }
    return {kind: [make() for _ in range(_QUERIES)] for kind, make in kinds.items()}


def _search(store: Store, queries: Sequence[Wanted]) -> list[float]:
    search, took_ms, found = Search(store), list[float](), 0
    for wanted in queries:
        began_s = time.perf_counter()
        found += len(search.find(wanted).results)
        took_ms.append((time.perf_counter() - began_s) * 1000)
    if not found:
        raise DemoError(f"{len(queries)} queries found nothing, the first was {queries[0].text!r}")
    return took_ms


def _summary(took_ms: Sequence[float]) -> Mapping[str, float]:
    ordered = sorted(took_ms)
    return {
        "ms_median": statistics.median(ordered),
        "ms_p95": ordered[int(len(ordered) * 0.95)],
        "ms_most": ordered[-1],
    }
