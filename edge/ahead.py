"""Runs an iterator ahead in a thread of its own, so that decoding and describing overlap."""

import queue
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Generic, TypeVar

Item = TypeVar("Item")

_POLL_S = 0.1


class Ahead(Generic[Item]):
    """Enter, then iterate once. At most `limit` items wait; the thread waits while there are that many.

    What the iterator raises is raised here, after the items before it. Leaving stops the thread.
    """

    def __init__(self, items: Iterable[Item], limit: int, name: str) -> None:
        self._waiting: queue.Queue[Item | None] = queue.Queue(limit)
        self._left = Event()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._done = self._executor.submit(self._fill, items)

    def __enter__(self) -> "Ahead[Item]":
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()
        self._executor.shutdown()

    def __iter__(self) -> Iterator[Item]:
        while (item := self._waiting.get()) is not None:
            yield item
        self._done.result()

    def _fill(self, items: Iterable[Item]) -> None:
        try:
            for item in items:
                self._offer(item)
                if self._left.is_set():
                    return
        finally:
            self._offer(None)

    def _offer(self, item: Item | None) -> None:
        while not self._left.is_set():
            try:
                self._waiting.put(item, timeout=_POLL_S)
            except queue.Full:
                continue
            return
