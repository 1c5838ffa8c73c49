"""An ingest over a store, as cloud/run.py composes it, on a thread of its own."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from cloud.answering import Answering
from cloud.births import Births
from cloud.bundles import Bundles
from cloud.clock import wall_ms
from cloud.config import Broker, Limits
from cloud.derivation import Derivation
from cloud.downlink import PlainDownlink, SealedDownlink
from cloud.inbox import Inbox
from cloud.ingest import Ingest
from cloud.limits import Gate
from cloud.opening import Keyring
from cloud.registry import Registry
from cloud.store import Store
from tests.cloud.sealed import CLOUD_KEY
from wire.bundle import Bundle


def plain_ingest(
    broker: Broker, store: Store, inbox: Inbox, bundle: Bundle, limits: Limits | None = None
) -> Ingest:
    answering = Answering(store, PlainDownlink(), broker.ack_interval_s)
    derivation = Derivation(store, Bundles([bundle]), render_all=False)
    return Ingest(broker, store, inbox, Gate(limits or Limits()), answering, derivation)


def sealed_ingest(port: int, store: Store, bundle: Bundle, client: str = "mirage-cloud") -> Ingest:
    """Compose one that believes nothing, with caches and keys of its own."""
    registry = Registry(store)
    inbox = Inbox(store, registry, Births(store, registry, [CLOUD_KEY]), Keyring(store, wall_ms))
    broker = Broker("127.0.0.1", port, client=client, ack_interval_s=0.2)
    answering = Answering(store, SealedDownlink(store), broker.ack_interval_s)
    derivation = Derivation(store, Bundles([bundle]), render_all=False)
    return Ingest(broker, store, inbox, Gate(Limits()), answering, derivation)


@contextmanager
def running(ingest: Ingest) -> Iterator[Ingest]:
    stop = threading.Event()
    thread = threading.Thread(target=ingest.run, args=(stop,), name="ingest")
    thread.start()
    try:
        yield ingest
    finally:
        stop.set()
        thread.join(60)
        assert not thread.is_alive()
