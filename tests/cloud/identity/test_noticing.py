"""Births of a device and its copy, through the inbox: the cloud raises an alarm, and not for a reboot."""

from copy import copy

from cloud.config_usage import UsageSettings
from cloud.fleet import Fleet
from cloud.identity import alarms
from cloud.store import Store
from tests.cloud.sealed import SealedDesk, SealedDevice
from wire.bundle import Bundle


def raised(store: Store) -> list[tuple[str, str]]:
    with store.read() as session:
        return [(each.device, each.kind) for each in alarms.alarms_of(session)]


def test_a_card_that_was_copied_is_noticed(any_store: Store, bundle: Bundle) -> None:
    desk, device = SealedDesk(any_store, bundle), SealedDevice(bundle)
    desk.enrol(device)
    twin = copy(device)
    twin.reboot()
    name = f"{device.topics.tenant}/{device.topics.site}/{device.topics.device}"
    for turn in range(5):
        assert raised(any_store) == [] or turn == 4
        for each in (device, twin):
            each.connect(each.key_id % 200 + 1)
            desk.now_ms += 5_000
            desk.deliver(each.topics.birth, each.birth(), desk.now_ms)
    assert raised(any_store) == [(name, alarms.TWO_AT_ONCE)]
    (shown,) = Fleet(any_store, UsageSettings()).look()
    assert (shown.id, shown.alarms) == (name, (alarms.TWO_AT_ONCE,))


def test_reboots_and_connections_that_break_are_not(any_store: Store, bundle: Bundle) -> None:
    desk, device = SealedDesk(any_store, bundle), SealedDevice(bundle)
    desk.enrol(device)
    for _ in range(4):
        for _ in range(4):
            device.connect(device.key_id % 200 + 1)
            desk.now_ms += 1_000
            desk.deliver(device.topics.birth, device.birth(), desk.now_ms)
        device.reboot()
    assert raised(any_store) == []
