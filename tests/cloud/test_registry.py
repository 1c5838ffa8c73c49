"""Rows by name: whoever is first makes them, and all find the same."""

import threading
from pathlib import Path

import pytest
from sqlalchemy import func, select

from cloud import registry as registries
from cloud.message import Message, Outcome
from cloud.registry import Registry
from cloud.schema import BootRow, CameraRow, DeviceRow, QuarantineRow
from cloud.store import Store
from tests.cloud.desk import NOW_MS, plain_inbox
from tests.cloud.sample import Device
from wire import topics
from wire.bundle import Bundle


def test_several_processes_may_hear_of_a_device_at_once(
    any_store: Store, store_url: str, bundle: Bundle
) -> None:
    """Each with a store of its own; the devices are new to all of them."""
    devices = [Device(bundle, name=f"jetson-{number}") for number in range(12)]
    frames = {device.name: device.frame(device.packet()) for device in devices}
    outcomes, gate = list[Outcome](), threading.Barrier(3)

    def ingest() -> None:
        own = Store(store_url)
        inbox = plain_inbox(own)
        gate.wait()
        for device in devices:
            messages = [
                Message(device.topics.birth, device.birth(), NOW_MS),
                Message(device.topics.sem("gate"), frames[device.name], NOW_MS),
            ]
            outcomes.extend(receipt.outcome for receipt in inbox.accept(messages))
        own.close()

    threads = [threading.Thread(target=ingest, name=f"ingest-{number}") for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counted = {outcome: outcomes.count(outcome) for outcome in outcomes}
    assert counted == {Outcome.BIRTH: 36, Outcome.STORED: 12, Outcome.DUPLICATE: 24}
    with any_store.read() as session:
        for table in (DeviceRow, BootRow, CameraRow):
            assert session.scalar(select(func.count()).select_from(table)) == 12
        assert session.scalar(select(func.count()).select_from(QuarantineRow)) == 0


def test_what_was_found_is_found_again_without_the_database(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/a.db")
    registry, topic = Registry(store), topics.parse("mirage/v1/acme/north/one/birth")
    found = registry.device(topic, 0)
    store.close()
    (tmp_path / "a.db").unlink()
    assert registry.device(topic, 1) == found


def test_no_more_than_so_many_names_are_remembered(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registries, "MAX_KNOWN", 2)
    registry = Registry(store)
    device_id = registry.device(topics.parse("mirage/v1/acme/north/one/birth"), 0)
    cameras = [registry.camera(device_id, f"c{number}") for number in range(5)]
    assert [registry.camera(device_id, f"c{number}") for number in range(5)] == cameras
