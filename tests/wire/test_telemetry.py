"""Telemetry: its bytes, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.telemetry import Alarm, Telemetry, TelemetryError, alarm_label

SAMPLE = Telemetry(300, 5, 1200, 17, 2, 0, frozenset({Alarm.DISK_FULL, Alarm.OVERLOADED}))
GOLDEN = bytes.fromhex("01 01ac02 0205 03b009 0411 0502 0709")
numbers = st.integers(0, 2**63 - 1)


def test_a_record_has_the_documented_bytes() -> None:
    assert bytes(SAMPLE) == GOLDEN
    assert Telemetry.parse(GOLDEN) == SAMPLE


def test_a_quiet_device_says_little() -> None:
    assert bytes(Telemetry(3600)) == bytes.fromhex("01 01901c")


@given(st.builds(Telemetry, *[numbers] * 6, alarms=st.frozensets(st.integers(0, 62))))
def test_any_record_comes_back(record: Telemetry) -> None:
    assert Telemetry.parse(bytes(record)) == record


def test_unknown_ids_are_skipped() -> None:
    assert Telemetry.parse(GOLDEN + bytes.fromhex("c80101")) == SAMPLE


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param("", "begins with nothing", id="empty"),
        pytest.param("02 7b7d", "begins with 02", id="reply"),
        pytest.param("01 01", "cut off", id="id without value"),
        pytest.param("01 0205 0101", "does not ascend", id="order"),
        pytest.param("01 0101 0102", "does not ascend", id="twice"),
        pytest.param("01 0100", "zero", id="zero"),
        pytest.param("01 018000", "overlong", id="overlong"),
        pytest.param("01 01ffffffffffffffffff01", "63 bits", id="above 63 bits"),
        pytest.param("01 0780808080808080808001", "between 0 and 62", id="alarm 63"),
        pytest.param("01" + "c80101" * 2000, "limit", id="large"),
    ],
)
def test_damaged_records_are_refused(data: str, reason: str) -> None:
    with pytest.raises(TelemetryError, match=reason):
        Telemetry.parse(bytes.fromhex(data))


@given(st.binary(max_size=64))
def test_arbitrary_bytes_raise_telemetry_error_or_are_written_as_they_were(data: bytes) -> None:
    try:
        record = Telemetry.parse(data)
    except TelemetryError:
        return
    assert data.startswith(bytes(record)[:1])


def test_alarms_are_called_by_name_or_number() -> None:
    assert [alarm_label(alarm) for alarm in (Alarm.DISK_FULL, 40)] == ["disk-full", "alarm-40"]
