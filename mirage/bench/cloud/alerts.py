"""How much alerts cost each segment: to match its caption, and to tell what was found, on SQLite.

The captions are those that the shipped bundle's word tables were counted on. Alerts take their words from
them, so common words are looked for often, and what is looked for is said.
"""

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.alerts import rulebook
from cloud.alerts.matching import Matcher
from cloud.alerts.rules import Draft
from cloud.alerts.watch import Watch
from cloud.config_events import Alerts, Events
from cloud.events import outbox
from cloud.events.herald import Herald, News
from cloud.query import Query
from cloud.schema import PacketRow, SegmentRow
from cloud.store import Store
from export.sayable import sayable
from mirage.bench.cloud.stock import BEGAN_MS, fill_with_captions
from mirage.bench.report import Gate

RULES = (100, 1000, 10_000)
TARGET_PER_S = 1000.0  # captions matched a second: several times what an ingest takes in
_AT_ONCE = 32  # segments, as a derivation has
_TOLD = 1000  # alerts in the store

Random = np.random.Generator
Measured = tuple[dict[str, object], tuple[Gate, ...]]


def measure(captions: int, done: Callable[[], None]) -> Measured:
    """Match so many captions with more and more alerts, and tell of as many; `done` is called after each."""
    texts = sayable(())
    random = np.random.default_rng(1)
    said = [texts[place] for place in random.integers(len(texts), size=captions)]
    matched = dict[str, Mapping[str, float]]()
    for count in RULES:
        matched[f"alerts_{count}"] = _match([_query(random, texts) for _ in range(count)], said)
        done()
    results: dict[str, object] = {"captions": captions, **matched}
    for name, alerts in (("described", 0), ("told", _TOLD)):
        results[name] = _tell(random, texts, captions, alerts)
        done()
    rate = matched[f"alerts_{RULES[-1]}"]["captions_per_s"]
    return results, (Gate.at_least(f"matching, {RULES[-1]} alerts", rate, "captions/s", TARGET_PER_S),)


def _query(random: Random, texts: Sequence[str]) -> str:
    """Make up what someone looks for: a phrase and a word, words, a beginning, an exclusion; seldom said."""

    def some(count: int) -> list[str]:
        """Take words that follow each other in some caption."""
        words = texts[int(random.integers(len(texts)))].split()
        first = int(random.integers(max(len(words) - count, 0) + 1))
        return words[first : first + count]

    phrase, one, other, third = " ".join(some(3)), *(some(1)[0] for _ in range(3))
    shapes = (
        f'"{phrase}" {one}', f"{one} {other} {third}", f'"{phrase}" {one[:4]}*', f'"{phrase}" {one} -{other}',
    )  # fmt: skip
    return shapes[int(random.integers(len(shapes)))]


def _match(queries: Sequence[str], said: Sequence[str]) -> Mapping[str, float]:
    began_s = time.perf_counter()
    matcher = Matcher([Query.parse(query) for query in queries])
    built_s = time.perf_counter() - began_s
    began_s = time.perf_counter()
    found = sum(len(matcher.match(caption)) for caption in said)
    took_s = time.perf_counter() - began_s
    return {
        "build_s": built_s,
        "captions_per_s": len(said) / took_s,
        "us_each": took_s / len(said) * 1e6,
        "matches_each": found / len(said),
    }


def _tell(random: Random, texts: Sequence[str], captions: int, alerts: int) -> Mapping[str, float]:
    """Store alerts, and let what segments say be told as derivation does it, without what it costs itself."""
    with tempfile.TemporaryDirectory(prefix="mirage-bench-") as folder:
        store = Store(f"sqlite:///{Path(folder)}/store.db")
        try:
            fill_with_captions(store, captions, texts)
            with store.write() as session:
                for number in range(alerts):
                    draft = Draft(f"alert {number}", _query(random, texts))
                    rulebook.add(session, draft, Alerts(), BEGAN_MS)
            with store.read() as session:
                news = _news(session)
            watch = Watch(Herald(Events(enabled=True)))
            began_s = time.perf_counter()
            for first in range(0, len(news), _AT_ONCE):
                some = news[first : first + _AT_ONCE]
                with store.write() as session:
                    watch.see(session, some, some[-1].received_ms)
            took_s = time.perf_counter() - began_s
            with store.read() as session:
                waiting = outbox.counts(session).waiting
        finally:
            store.close()
    return {
        "alerts": alerts,
        "segments_per_s": len(news) / took_s,
        "us_each": took_s / len(news) * 1e6,
        "hits_each": waiting / len(news) - 1,
    }


def _news(session: Session) -> list[News]:
    query = select(PacketRow, SegmentRow).join(SegmentRow, SegmentRow.packet_id == PacketRow.id)
    return [
        News(
            packet.id, packet.camera_id, packet.boot_id, packet.sequence, segment.start_ms, packet.historical,
            segment.start_ms, segment.duration_ms, segment.still, segment.caption,
        )
        for packet, segment in session.execute(query.order_by(PacketRow.id))
    ]  # fmt: skip
