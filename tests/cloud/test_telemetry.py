"""What devices say of themselves: the latest is kept, and nobody says it for them again."""

import pytest
from sqlalchemy import select

from cloud import telemetry
from cloud.catalog import Catalog
from cloud.message import Outcome
from cloud.schema import QuarantineRow
from cloud.store import Store
from tests.cloud.desk import NOW_MS, Desk
from tests.cloud.sample import Device
from tests.cloud.sealed import SealedDesk, SealedDevice
from wire.bundle import Bundle
from wire.envelope import PlainEnvelope
from wire.telemetry import Alarm, Telemetry

RECORD = Telemetry(60, 3, 4_000, 7, dropped=1, shed_details=2, alarms=frozenset({Alarm.DISK_FULL, 40}))


@pytest.fixture
def desk(store: Store, bundle: Bundle) -> SealedDesk:
    return SealedDesk(store, bundle)


@pytest.fixture
def device(desk: SealedDesk, bundle: Bundle) -> SealedDevice:
    made = SealedDevice(bundle)
    desk.enrol(made)
    desk.birth(made)
    return made


def uptime_s(desk: Desk) -> int | None:
    (view,) = telemetry.devices(desk.store)
    return None if view.telemetry is None else view.telemetry.uptime_s


def test_the_latest_record_is_shown_with_alarms_by_name(desk: SealedDesk, device: SealedDevice) -> None:
    assert uptime_s(desk) is None
    assert desk.deliver(device.topics.telemetry, device.telemetry(RECORD)) == Outcome.TELEMETRY
    (view,) = telemetry.devices(desk.store)
    assert view.id == "acme/north/jetson-1"
    assert view.telemetry == telemetry.TelemetryView(NOW_MS, 60, 3, 4_000, 7, 1, 2, ("disk-full", "alarm-40"))
    assert Catalog(desk.store).cameras()[0].alarms == ("disk-full", "alarm-40")
    desk.deliver(device.topics.telemetry, device.telemetry(Telemetry(120)))
    assert uptime_s(desk) == 120
    assert Catalog(desk.store).cameras()[0].alarms == ()


def test_an_old_record_that_is_sent_again_changes_nothing(desk: SealedDesk, device: SealedDevice) -> None:
    first, second = device.telemetry(Telemetry(60)), device.telemetry(Telemetry(120))
    topic = device.topics.telemetry
    assert [desk.deliver(topic, each) for each in (second, first, second)] == [
        Outcome.TELEMETRY,
        Outcome.DUPLICATE,
        Outcome.DUPLICATE,
    ]
    assert uptime_s(desk) == 120


def test_a_record_under_a_key_that_is_not_known_is_dropped(desk: SealedDesk, device: SealedDevice) -> None:
    device.connect(device.key_id + 1)
    assert desk.deliver(device.topics.telemetry, device.telemetry(RECORD)) == Outcome.IGNORED


@pytest.mark.parametrize("body", [b"", b"\3", b"\1\1\0", b"\2{}", b"\2" + b"[" * 1000])
def test_what_is_no_telemetry_is_put_away(desk: SealedDesk, device: SealedDevice, body: bytes) -> None:
    topic = device.topics.telemetry
    assert desk.deliver(topic, device.envelope.wrap(body, topic)) == Outcome.QUARANTINED
    assert desk.count(QuarantineRow) == 1


def test_an_unsealed_record_is_put_away(desk: SealedDesk, device: SealedDevice) -> None:
    topic = device.topics.telemetry
    assert desk.deliver(topic, PlainEnvelope().wrap(bytes(RECORD), topic)) == Outcome.QUARANTINED


def test_a_lab_takes_records_as_they_come(store: Store, bundle: Bundle) -> None:
    desk, device = Desk(store, [bundle]), Device(bundle)
    topic = device.topics.telemetry
    for seconds in (120, 60):
        desk.deliver(topic, device.envelope.wrap(bytes(Telemetry(seconds)), topic))
    assert uptime_s(desk) == 60


def test_a_counter_that_no_column_holds_is_not_believed(desk: SealedDesk, device: SealedDevice) -> None:
    from wire import keys
    from wire.envelope import SealedEnvelope

    topic = device.topics.telemetry
    frame = SealedEnvelope(keys.up(device.secret), device.key_id).seal(2**63, bytes(RECORD), topic)
    assert desk.deliver(topic, frame) == Outcome.DUPLICATE
    with desk.store.read() as session:
        assert session.scalars(select(QuarantineRow.reason)).all() == []
