"""What devices say they sent is added up exactly, whatever gets lost, comes late or comes twice."""

import pytest
from sqlalchemy import select

from cloud.message import Outcome
from cloud.schema import UsagePlaceRow, UsageRow
from cloud.store import Store
from cloud.usage.periods import Grain
from cloud.usage.rollup import Rollup
from tests.cloud.usage.reporting import (
    BOOT_MS,
    HOUR_MS,
    Reporter,
    camera,
    ever,
    minute,
    own,
    refused,
    reporter,
    rollup,
    statement,
    sums,
)
from wire.bundle import Bundle

DEVICE = "acme/north/jetson-1"


@pytest.fixture
def edge(any_store: Store, bundle: Bundle) -> Reporter:
    return reporter(any_store, bundle)


def test_a_minute_is_in_its_hour_day_and_month_of_all_places_above(edge: Reporter) -> None:
    edge.say(minute(60, own(30, 4), camera(0, 10, 200)))
    edge.say(minute(3660, own(30, 4), camera(0, 5)))
    assert edge.count(4000) == 2
    store = edge.desk.store
    assert sums(store, DEVICE, Grain.HOUR) == {
        BOOT_MS: {"": [30, 4], "gate": [10, 200]},
        BOOT_MS + HOUR_MS: {"": [30, 4], "gate": [5]},
    }
    for path in ("", "acme", "acme/north"):
        assert list(sums(store, path, Grain.MONTH).values()) == [{"": [60, 8], "*": [15, 200]}]
        assert sums(store, path, Grain.DAY).keys() == {Grain.DAY.start_ms(BOOT_MS)}
    assert ever(store) == {"": [60, 8], "gate": [15, 200]}


def test_adding_up_again_adds_nothing(edge: Reporter) -> None:
    edge.say(minute(60, own(30)))
    assert [edge.count(100), edge.count(100), edge.count(200)] == [1, 0, 0]
    assert ever(edge.desk.store) == {"": [30]}


def test_a_minute_that_comes_twice_counts_once_also_under_another_key(edge: Reporter) -> None:
    edge.say(minute(60, own(30)))
    edge.count(61)
    edge.device.connect(edge.device.key_id + 1)
    edge.birth()
    edge.say(minute(60, own(30)), minute(120, own(40)))
    edge.count(121)
    assert ever(edge.desk.store) == {"": [70]}


def test_a_minute_over_the_end_of_an_hour_is_shared_out_without_loss(edge: Reporter) -> None:
    edge.say(minute(3600 + 45, own(101), camera(0, 7)))
    edge.count(3700)
    assert sums(edge.desk.store, DEVICE, Grain.HOUR) == {
        BOOT_MS: {"": [25], "gate": [1]},
        BOOT_MS + HOUR_MS: {"": [76], "gate": [6]},
    }


def test_minutes_of_an_outage_land_when_they_happened(edge: Reporter) -> None:
    late = [minute(60 * number, own(10)) for number in range(1, 181)]
    for first in range(0, 180, 30):
        edge.say(*late[first : first + 30], came_s=5 * 3600)
    edge.count(5 * 3600 + 10)
    hours = sums(edge.desk.store, DEVICE, Grain.HOUR)
    assert [hours[BOOT_MS + number * HOUR_MS] for number in range(3)] == [{"": [600]}] * 3
    assert len(hours) == 3


def test_minutes_that_were_merged_are_spread_over_their_span(edge: Reporter) -> None:
    edge.say(minute(4 * 3600, own(4000), span_s=4 * 3600))
    edge.count(5 * 3600)
    assert list(sums(edge.desk.store, DEVICE, Grain.HOUR).values()) == [{"": [1000]}] * 4


def test_what_was_lost_is_counted_by_the_next_statement(edge: Reporter) -> None:
    edge.say(statement(1, own(1000)))  # what was sent before the cloud knew the device is not counted
    edge.say(minute(60, own(30)))
    # The minutes up to 120 and 180 are lost.
    edge.say(minute(240, own(30)))
    edge.say(statement(240, own(1000 + 120)))
    edge.count(300)
    assert ever(edge.desk.store) == {"": [120]}
    edge.say(statement(300, own(1000 + 120)))
    edge.count(400)
    assert ever(edge.desk.store) == {"": [120]}


def test_the_end_of_a_boot_is_counted_by_a_statement_of_the_next(edge: Reporter) -> None:
    edge.say(statement(1, own(500)), minute(60, own(30)))
    edge.count(70)
    edge.device.reboot()
    edge.boot_ms += 600_000
    edge.birth()
    edge.say(statement(10, own(500 + 30 + 17)))
    edge.count(20)
    assert ever(edge.desk.store) == {"": [47]}


def test_statements_come_in_pieces_slot_by_slot(edge: Reporter) -> None:
    edge.say(statement(60, own(100)), statement(60, camera(0, 0, 50)))
    edge.say(statement(120, own(103)), statement(120, camera(0, 0, 57)))
    edge.count(200)
    assert ever(edge.desk.store) == {"": [3], "gate": [0, 7]}


def test_a_layer_that_is_new_after_all_was_stated_began_with_nothing(edge: Reporter) -> None:
    edge.say(statement(60, own(100)))
    edge.say(statement(3 * 3600, own(100), camera(0, 9)))
    edge.count(3 * 3600 + 60)
    assert ever(edge.desk.store) == {"gate": [9]}


def test_a_device_that_begins_a_new_ledger_goes_on_from_there(edge: Reporter) -> None:
    edge.say(statement(60, own(100)), minute(120, own(20)), statement(180, own(5)), minute(240, own(2)))
    edge.say(statement(300, own(9)))
    edge.count(400)
    assert ever(edge.desk.store) == {"": [20 + 2 + 2]}


def test_what_the_cloud_received_stands_beside_what_was_said(edge: Reporter) -> None:
    sizes = [edge.send(10), edge.send(20)]
    edge.count(30)
    edge.count(40)
    sizes += [edge.send(3610)]
    edge.count(3650)
    query = (
        select(UsageRow.start_ms, UsageRow.received)
        .join(UsagePlaceRow)
        .where(UsageRow.grain == "hour", UsagePlaceRow.path == DEVICE)
        .order_by(UsageRow.start_ms)
    )
    with edge.desk.store.read() as session:
        received = [row.received for row in session.execute(query)]
    assert received == [sum(sizes[:2]), sizes[2]]


def test_two_processes_that_add_up_at_once_count_once(edge: Reporter) -> None:
    import threading

    for number in range(1, 21):
        edge.say(minute(60 * number, own(10)))
    at_ms = BOOT_MS + 3_600_000
    threads = [
        threading.Thread(target=Rollup(edge.desk.store, lambda: at_ms).work, name=f"rollup-{number}")
        for number in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert ever(edge.desk.store) == {"": [200]}


def test_a_lab_counts_by_the_last_birth(store: Store, bundle: Bundle) -> None:
    from tests.cloud.desk import Desk
    from tests.cloud.sample import Device

    desk, device = Desk(store, [bundle]), Device(bundle)
    desk.deliver(device.topics.birth, device.birth(BOOT_MS))
    record = bytes(minute(60, own(30)))
    frame = device.envelope.wrap(record, device.topics.telemetry)
    assert desk.deliver(device.topics.telemetry, frame, BOOT_MS + 61_000) is Outcome.TELEMETRY
    rollup(store, BOOT_MS + 61_000)
    assert ever(store) == {"": [30]}
    assert refused(store) == {}
