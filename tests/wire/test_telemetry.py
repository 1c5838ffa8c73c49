"""Telemetry: its bytes, how few they are, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire import telemetry
from wire.envelope import SealedEnvelope
from wire.spent import CAMERA_SLOTS, OTHERS, OWN_SLOTS, Codec, Sample, Spent, SpentError, camera_layer
from wire.telemetry import Alarm, Telemetry, TelemetryError, alarm_label, policy_id, provider_label

MONTH_S = 31 * 86400
QUIET = bytes.fromhex("01 01901c 00")
SAMPLE = Telemetry(
    300, 5, 1200, 17, 2, alarms=frozenset({Alarm.DISK_FULL, Alarm.OVERLOADED}),
    spent=(Spent(None, (61, 0, 300, 0, 0, 0)), Spent(1, (0, 80) + (0,) * 10)),
)  # fmt: skip
GOLDEN = bytes.fromhex("01 8f28 ac02 05 b009 11 02 09  05 3d ac02  02 02 50")

numbers = st.integers(0, 2**63 - 1)
small = st.integers(0, 2**40)
said = st.none() | small


def spent(cameras: dict[int, list[int]], own: list[int]) -> tuple[Spent, ...]:
    found = [Spent(None, tuple(own)), *(Spent(each, tuple(cameras[each])) for each in sorted(cameras))]
    return tuple(each for each in found if any(each.bytes))


def counters(slots: int) -> st.SearchStrategy[list[int]]:
    return st.lists(numbers, min_size=slots, max_size=slots)


samples = st.builds(
    Sample, st.integers(0, OTHERS), st.sampled_from(Codec), *[st.integers(1, 2**40)] * 2, *[small] * 4
)
records = st.builds(
    Telemetry,
    *[numbers] * 6,
    alarms=st.frozensets(st.integers(0, 62)),
    span_s=small,
    is_statement=st.booleans(),
    spent=st.builds(
        spent,
        st.dictionaries(st.integers(0, OTHERS), counters(len(CAMERA_SLOTS)), max_size=3),
        counters(len(OWN_SLOTS)),
    ),
    samples=st.lists(samples, max_size=2, unique_by=lambda each: (each.camera, each.codec)).map(
        lambda found: tuple(sorted(found, key=lambda each: (each.camera, each.codec)))
    ),
    encode_ms=small,
    encode_most_ms=small,
    temperature_c=st.none() | st.integers(-40, 1000),
    power_dw=said,
    provider=said,
    policy=said,
    bits_per_s=said,
    bytes_per_month=said,
    month_bytes=said,
    link=st.none() | st.integers(0, 15),
)


def sealed_bytes(record: Telemetry, frames: int = 2**20 - 1) -> int:
    """Count the payload under a key that has sealed so many frames, the most that one may."""
    return len(SealedEnvelope(bytes(32), 1).seal(frames, bytes(record), "mirage/v1/a/b/c/telemetry"))


def test_a_record_has_the_documented_bytes() -> None:
    assert bytes(SAMPLE) == GOLDEN
    assert Telemetry.parse(GOLDEN) == SAMPLE


def test_a_quiet_device_says_little() -> None:
    assert bytes(Telemetry(3600)) == QUIET


@given(records)
def test_any_record_comes_back(record: Telemetry) -> None:
    assert Telemetry.parse(bytes(record)) == record


@given(st.lists(records, min_size=1, max_size=4))
def test_records_that_are_late_come_back_in_order(several: list[Telemetry]) -> None:
    assert telemetry.parse(telemetry.write(several)) == tuple(several)


def test_a_busy_minute_after_a_month_takes_60_bytes_with_its_seal() -> None:
    own = Spent(None, (60, 260, 9_000, 0, 0, 0))
    camera = Spent(0, (900, 480, 420, 4_200, 3_000, 360, 6_500, 0, 0, 0, 0, 0))
    minute = Telemetry(
        MONTH_S - 30, 4, 640, 7, spent=(own, camera), encode_ms=180, encode_most_ms=900,
        temperature_c=71, power_dw=112,
    )  # fmt: skip
    assert sealed_bytes(minute) <= 60


def test_a_sample_of_a_month_and_the_policy_take_60_bytes_each() -> None:
    sample = Sample(0, Codec.H265, 9_000, 36_000_000, 500_000_000, 60_000, 28, 4)
    assert sealed_bytes(Telemetry(MONTH_S, span_s=0, samples=(sample,))) <= 60
    policy = Telemetry(
        MONTH_S, span_s=0, provider=3, policy=16_000, bits_per_s=10_000, bytes_per_month=200_000_000,
        month_bytes=190_000_000,
    )  # fmt: skip
    assert sealed_bytes(policy) <= 60


def test_unknown_figures_slots_and_numbers_of_cameras_are_passed_over() -> None:
    grown = bytes.fromhex("01 8fa880 8001 ac02 05 b009 11 02 09 07  8580 02 3d ac02 07  02 8280808002 50 07")
    assert Telemetry.parse(grown) == SAMPLE


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param("", "begins with nothing", id="empty"),
        pytest.param("01", "cut off", id="kind alone"),
        pytest.param("02 7b7d", "begins with 02", id="reply"),
        pytest.param("01 01 ac02", "cut off", id="no row of its own bytes"),
        pytest.param("01 03 ac02", "cut off", id="bit without number"),
        pytest.param("01 01 00 00", "zero", id="zero"),
        pytest.param("01 01 8000 00", "overlong", id="overlong"),
        pytest.param("01 01 ffffffffffffffffff01 00", "63 bits", id="above 63 bits"),
        pytest.param("01 ffffffffffffffffff01", "cut off", id="all bits"),
        pytest.param("01 0101 00 00", "cut off", id="zero byte at the end"),
        pytest.param("01 8002 3d 00", "span_s", id="usual span"),
        pytest.param("01 8004 02 00", "is_statement", id="statement 2"),
        pytest.param("01 00 00 02 0101 01 0101", "does not ascend", id="order of cameras"),
        pytest.param("01 00 00 02 0101 02 0101", "does not ascend", id="camera twice"),
        pytest.param("01 00 00 42 0101", "not 0 to 64", id="camera 65"),
        pytest.param("01 00 00 01 808001 07", "no windows", id="sample of windows alone"),
        pytest.param("01" + "010100 00" * 2000, "limit", id="large"),
    ],
)
def test_damaged_records_are_refused(data: str, reason: str) -> None:
    with pytest.raises(TelemetryError, match=reason):
        telemetry.parse(bytes.fromhex(data))


def test_no_prefix_is_taken_for_another_record() -> None:
    for end in range(len(GOLDEN)):
        try:
            record = Telemetry.parse(GOLDEN[:end])
        except TelemetryError:
            continue
        assert record.spent == SAMPLE.spent[:1]  # cut between two cameras; the seal is what forbids that


@given(st.binary(max_size=64).map(lambda data: b"\1" + data))
def test_arbitrary_bytes_raise_telemetry_error_or_are_understood_alike_twice(data: bytes) -> None:
    try:
        several = telemetry.parse(data)
    except TelemetryError:
        return
    assert telemetry.parse(telemetry.write(several)) == several


@pytest.mark.parametrize(
    "fields",
    [
        {"uptime_s": -1}, {"uptime_s": 2**63}, {"alarms": frozenset({63})}, {"temperature_c": -41},
        {"policy": -1}, {"span_s": 2**63}, {"spent": (Spent(None, (0,) * 6),)},
        {"spent": (Spent(1, (1,) * 12), Spent(0, (1,) * 12))},
    ],
)  # fmt: skip
def test_fields_that_cannot_be_written_are_refused(fields: dict[str, int]) -> None:
    with pytest.raises(TelemetryError):
        Telemetry(**{"uptime_s": 1, **fields})  # type: ignore[arg-type]


def test_too_many_records_for_a_message_are_refused() -> None:
    with pytest.raises(TelemetryError, match="limit is 4096"):
        telemetry.write([SAMPLE] * 300)


def test_counters_that_are_none_are_refused() -> None:
    with pytest.raises(SpentError, match="12 counters"):
        Spent(0, (1, 2))
    with pytest.raises(SpentError, match="not 0 to 64"):
        Spent(65, (0,) * 12)
    with pytest.raises(SpentError, match="no windows"):
        Sample(0, Codec.H264, 0, 1, 1, 1, 23, 3)


def test_what_was_spent_is_told_by_layer_and_kind() -> None:
    assert list(SAMPLE.spent[0].items()) == [("telemetry", "payload", 61), ("packet", "transport", 300)]
    assert list(SAMPLE.spent[1].items()) == [("caption", "payload", 80)]
    assert [camera_layer(layer) for layer in (1, 5, 90)] == ["caption", "appearance-detail", "other"]


def test_a_policy_has_the_same_number_in_any_order_and_another_when_it_changes() -> None:
    policy = {"planes": 8, "bytes_per_s": 62.5, "bytes_per_month": None}
    assert policy_id(policy) == policy_id(dict(reversed(policy.items())))
    assert policy_id(policy) != policy_id({**policy, "planes": 6})
    assert 0 <= policy_id(policy) < 2**14


def test_alarms_and_providers_are_called_by_name_or_number() -> None:
    assert [alarm_label(alarm) for alarm in (Alarm.DISK_FULL, 40)] == ["disk-full", "alarm-40"]
    assert [provider_label(provider) for provider in (1, 3, 9)] == ["cpu", "tensorrt", "provider-9"]
