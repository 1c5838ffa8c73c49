"""Telemetry that lies: it is refused or held back, counted, and nobody else's figures move."""

import pytest
from sqlalchemy import select

from cloud.config_usage import UsageSettings
from cloud.message import Outcome
from cloud.schema import UsageRecordRow, UsageSampleRow
from cloud.store import Store
from cloud.usage.query import Usage
from cloud.usage.reckoning import MARGIN, PER_BYTE
from cloud.usage.records import OLD_MS
from tests.cloud.usage.reporting import (
    Reporter,
    camera,
    ever,
    minute,
    own,
    refused,
    remark,
    reporter,
    statement,
)
from wire.bundle import Bundle
from wire.sparse import MAX_VALUE
from wire.spent import OTHERS, Codec, Sample

HONEST = "acme/north/jetson-2"
LIAR = "acme/north/jetson-1"


@pytest.fixture
def liar(store: Store, bundle: Bundle) -> Reporter:
    return reporter(store, bundle)


@pytest.fixture
def honest(liar: Reporter, bundle: Bundle) -> Reporter:
    """Another device, which has sent its minute."""
    made = reporter(liar.desk.store, bundle, "jetson-2", liar.desk)
    made.say(minute(60, own(30), camera(0, 10)))
    return made


def check_only_honest_counts(liar: Reporter, came_s: int = 4000) -> None:
    """All sums are those of the honest device."""
    liar.count(came_s)
    store = liar.desk.store
    assert ever(store, HONEST) == {"": [30], "gate": [10]}
    assert ever(store, LIAR) == {}
    assert ever(store, "acme") == ever(store, "acme/north") == ever(store, "") == {"": [30], "*": [10]}


def waiting(store: Store) -> int:
    with store.read() as session:
        return len(session.scalars(select(UsageRecordRow).where(UsageRecordRow.counted_ms.is_(None))).all())


@pytest.mark.usefixtures("honest")
def test_absurd_counters_are_refused(liar: Reporter) -> None:
    assert liar.say(minute(60, own(MAX_VALUE, MAX_VALUE), camera(0, MAX_VALUE))) is Outcome.TELEMETRY
    liar.say(statement(120, own(MAX_VALUE), camera(0, *[MAX_VALUE] * 5)))
    check_only_honest_counts(liar)
    assert refused(liar.desk.store) == {"size": 2}
    assert waiting(liar.desk.store) == 0


@pytest.mark.usefixtures("honest")
def test_more_than_the_cloud_received_makes_plausible_is_held_back(liar: Reporter) -> None:
    liar.say(minute(60, camera(0, 64 * MARGIN)))
    check_only_honest_counts(liar)
    assert waiting(liar.desk.store) == 1
    two_days_s = 49 * 3600
    liar.say(minute(two_days_s, own(20)))
    liar.count(two_days_s + 10)
    assert refused(liar.desk.store) == {"unbelieved": 1}
    assert ever(liar.desk.store, LIAR) == {"": [20]}


@pytest.mark.usefixtures("honest")
def test_a_statement_that_claims_too_much_is_held_back_too(liar: Reporter) -> None:
    liar.say(statement(60, own(10)), statement(120, own(5 * MARGIN)))
    check_only_honest_counts(liar)


def test_what_was_held_back_counts_once_enough_was_received(liar: Reporter) -> None:
    claimed = MARGIN + 10_000
    liar.say(minute(60, camera(0, 0, claimed)))
    liar.count(100)
    assert ever(liar.desk.store) == {}
    got = 0
    while PER_BYTE * got < 20_000:
        got += liar.send(200)
    liar.count(200)
    liar.count(600)
    assert ever(liar.desk.store) == {"gate": [0, claimed]}
    assert refused(liar.desk.store) == {}


@pytest.mark.usefixtures("honest")
@pytest.mark.parametrize(
    ("uptime_s", "came_s", "reason"),
    [
        pytest.param(7200, 3600, "future", id="an hour ahead"),
        pytest.param(2**40, 3600, "future", id="millennia ahead"),
        pytest.param(60, OLD_MS // 1000 + 120, "old", id="long ago"),
    ],
)
def test_who_travels_in_time_is_refused(liar: Reporter, uptime_s: int, came_s: int, reason: str) -> None:
    liar.say(minute(uptime_s, own(99)), came_s=came_s)
    check_only_honest_counts(liar, came_s + 60)
    assert refused(liar.desk.store) == {reason: 1}


@pytest.mark.usefixtures("honest")
def test_a_clock_that_stands_in_another_age_is_refused(liar: Reporter) -> None:
    liar.device.reboot()
    liar.desk.deliver(liar.device.topics.birth, liar.device.birth(0), liar.boot_ms)
    liar.say(minute(60, own(99)))
    check_only_honest_counts(liar)
    assert refused(liar.desk.store) == {"old": 1}


@pytest.mark.usefixtures("honest")
@pytest.mark.parametrize("span_s", [61 + 60, 2**40])
def test_a_span_before_the_start_is_refused(liar: Reporter, span_s: int) -> None:
    liar.say(minute(60, own(99), span_s=span_s))
    check_only_honest_counts(liar)
    assert refused(liar.desk.store) == {"span": 1}


def test_spans_that_overlap_count_once(liar: Reporter) -> None:
    liar.say(*(minute(600 + number, own(1000), span_s=60) for number in range(50)))
    liar.count(700)
    assert ever(liar.desk.store) == {"": [1000]}
    assert refused(liar.desk.store) == {"overlap": 49}


def test_the_same_time_told_twice_counts_as_it_came_first(liar: Reporter) -> None:
    liar.say(minute(60, own(10)))
    liar.say(minute(60, own(999)))
    liar.count(100)
    assert ever(liar.desk.store) == {"": [10]}


def test_a_message_that_is_sent_again_counts_once(liar: Reporter) -> None:
    topic = liar.device.topics.telemetry
    frame = liar.device.envelope.wrap(bytes(minute(60, own(10))), topic)
    at_ms = liar.boot_ms + 61_000
    outcomes = [liar.desk.deliver(topic, frame, at_ms) for _ in range(3)]
    assert outcomes == [Outcome.TELEMETRY, Outcome.DUPLICATE, Outcome.DUPLICATE]
    liar.count(100)
    assert ever(liar.desk.store) == {"": [10]}


def test_cameras_that_a_device_has_not_share_one_name(liar: Reporter) -> None:
    liar.say(minute(60, *(camera(place, 1) for place in range(OTHERS + 1))))
    liar.count(100)
    assert ever(liar.desk.store) == {"gate": [1], "~": [64]}


def test_births_cannot_make_up_names(store: Store, bundle: Bundle) -> None:
    from wire.documents import CameraInfo

    made = reporter(store, bundle)
    for number in range(5):
        made.device.cameras = [
            CameraInfo(name=f"bomb-{number}-{place}", width=64, height=64, fps=1.0) for place in range(64)
        ]
        made.device.reboot()
        made.boot_ms += 120_000
        made.birth()
        made.say(minute(60, *(camera(place, 1) for place in range(64))))
    made.count(200)
    assert ever(store) == {"~": [320]}


def test_a_layer_of_a_later_version_is_no_label(liar: Reporter) -> None:
    """Slots are numbers, and those that this version does not know are passed over."""
    topic = liar.device.topics.telemetry
    body = bytes.fromhex("01") + bytes((1, 60)) + bytes((0x81, 0x01, 5, 7))
    frame = liar.device.envelope.wrap(body, topic)
    assert liar.desk.deliver(topic, frame, liar.boot_ms + 61_000) is Outcome.TELEMETRY
    liar.count(100)
    assert ever(liar.desk.store) == {"": [5]}


@pytest.mark.parametrize(
    "sample",
    [
        pytest.param(Sample(0, Codec.H265, 1, 1000, 2**60, 0, 28, 5), id="rate"),
        pytest.param(Sample(0, Codec.H265, 1, 1000, 100, 2**60, 28, 5), id="deviation"),
        pytest.param(Sample(0, Codec.H265, 1, 2**60, 100, 1, 28, 5), id="time"),
        pytest.param(Sample(7, Codec.H265, 1, 1000, 100, 1, 28, 5), id="camera"),
    ],
)
def test_samples_that_no_camera_can_give_are_refused(liar: Reporter, sample: Sample) -> None:
    liar.say(remark(60, sample))
    assert refused(liar.desk.store) == {"sample": 1}
    assert liar.desk.count(UsageSampleRow) == 0


def test_a_device_cannot_report_for_another(liar: Reporter, honest: Reporter) -> None:
    topic = honest.device.topics.telemetry
    frame = liar.device.envelope.wrap(bytes(minute(120, own(9999))), topic)
    assert liar.desk.deliver(topic, frame, liar.boot_ms + 121_000) is not Outcome.TELEMETRY
    check_only_honest_counts(liar)


def test_a_device_that_starts_again_and_again_covers_time_once(liar: Reporter) -> None:
    """Else it could make up days of video that it saves, and claim bytes for them."""
    for _ in range(4):
        liar.say(minute(3600, own(100), span_s=3600), came_s=3700)
        liar.device.reboot()
        liar.birth()
    liar.count(3800)
    usage = Usage(liar.desk.store, UsageSettings())
    found = usage.totals(LIAR, liar.boot_ms, liar.boot_ms + 3_600_000)
    assert (found.bytes, found.covered_s) == (400, 3600)


def test_no_number_of_starts_makes_more_bytes_plausible(liar: Reporter) -> None:
    for _ in range(8):
        liar.say(minute(3600, own(MARGIN // 4), span_s=3600), came_s=3700)
        liar.device.reboot()
        liar.birth()
    liar.count(3800)
    assert ever(liar.desk.store, LIAR) == {"": [MARGIN]}


def test_rows_of_a_flood_are_those_of_its_seconds(liar: Reporter) -> None:
    for _ in range(3):
        liar.say(*(minute(600 + number, own(1), span_s=1) for number in range(60)))
    assert waiting(liar.desk.store) == 60
