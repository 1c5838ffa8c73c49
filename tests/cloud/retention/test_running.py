"""The cloud as a process removes what its settings do not keep."""

import threading
from pathlib import Path

import pytest

from cloud.clock import wall_ms
from cloud.config import Broker, BundlePaths, Config, Retention, StorePlace
from cloud.retention import pruner
from cloud.run import run
from cloud.store import Store
from mirage.demo.broker import free_port
from tests.cloud.retention.archive import DAY_MS, Archive
from tests.cloud.waiting import until
from wire.bundle import Bundle


def test_a_cloud_that_ingests_removes_what_is_too_old(
    store: Store, tmp_path: Path, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Archive(store, tmp_path / "objects", bundle, wall_ms() - 2 * DAY_MS)
    archive.record(2)
    archive.now_ms = wall_ms()
    archive.record(1)
    config = Config(
        broker=Broker("127.0.0.1", free_port(), envelope="none"),
        bundle=BundlePaths((str(bundle.root),)),
        store=StorePlace(f"sqlite:///{tmp_path}/store.db", str(tmp_path / "objects")),
        retention=Retention(packets_days=1),
    )
    monkeypatch.setattr(pruner, "ROUND_S", 0.05)
    stop = threading.Event()
    thread = threading.Thread(
        target=run, args=(config, stop), kwargs={"roles": frozenset({"ingest"})}, name="cloud"
    )
    thread.start()
    try:
        until(lambda: archive.sequences() == [6, 7, 8])
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive()
