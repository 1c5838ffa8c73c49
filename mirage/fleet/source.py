"""The fleet as a store has it, for commands that read a cloud's settings file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cloud.config import load
from cloud.fleet import Fleet
from cloud.store import Store


@contextmanager
def fleet_of(config: Path) -> Iterator[Fleet]:
    """Open the store that a settings file names. Raises ConfigError, StoreError."""
    settings = load(config)
    store = Store(settings.store.url)
    try:
        yield Fleet(store, settings.usage)
    finally:
        store.close()
