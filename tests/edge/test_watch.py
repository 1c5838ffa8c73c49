"""Telemetry: once a minute, and at once where something is wrong."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from edge.sensors import Readings
from edge.spool import Spool
from edge.times import EncodeTimes
from edge.watch import OVERLOADED_S, PERIOD_S, Figures, Watch
from tests.edge.spooling import fill
from wire.telemetry import Alarm, Telemetry


@dataclass
class Device:
    """What a watch asks for."""

    dropped: int = 0
    stepped: bool = False
    told: list[tuple[int, Telemetry]] = field(default_factory=list)

    def watch(self, spool: Spool) -> Watch:
        return Watch(spool, lambda: self.dropped, lambda: self.stepped)

    def live(self, watch: Watch, begin_s: int, end_s: int) -> list[int]:
        """Look ten times a second; gives the seconds in which something was told."""
        told = list[int]()
        for tenth in range(begin_s * 10, end_s * 10):
            record = watch.due(tenth / 10)
            if record is not None:
                self.told.append((tenth // 10, record))
                told.append(tenth // 10)
        return told


@pytest.fixture
def device() -> Device:
    return Device()


def test_a_record_is_due_at_once_and_then_every_minute(spool: Spool, device: Device) -> None:
    assert PERIOD_S == 60
    assert device.live(device.watch(spool), 0, 200) == [0, 60, 120, 180]
    assert [record.uptime_s for _, record in device.told] == [0, 60, 120, 180]


def test_a_record_counts_what_waits_and_what_was_given_up(tmp_path: Path, device: Device) -> None:
    now_s = [100.0]
    spool = Spool(tmp_path / "small.db", max_bytes=2000, clock=lambda: now_s[0])
    with capture_logs():
        fill(spool, range(30))
    now_s[0] += 90
    device.dropped = 2
    record = device.watch(spool).due(0.0)
    backlog = spool.backlog()
    assert record is not None
    assert (record.spool_packets, record.spool_bytes) == (backlog.waiting, backlog.body_bytes)
    assert (record.dropped, record.shed_details) == (backlog.dropped + 2, backlog.shed_details)
    assert record.spool_age_s == 90
    assert backlog.dropped > 0
    spool.close()


def test_an_alarm_that_rises_is_told_within_a_second_and_once(spool: Spool, device: Device) -> None:
    watch = device.watch(spool)
    assert device.live(watch, 0, 10) == [0]
    device.stepped = True
    assert device.live(watch, 10, 30) == [10]
    device.dropped = 1
    assert device.live(watch, 30, 100) == [30, 90]
    assert [sorted(record.alarms) for _, record in device.told] == [
        [],
        [Alarm.CLOCK_STEPPED],
        [Alarm.CLOCK_STEPPED, Alarm.OVERLOADED],
        [Alarm.CLOCK_STEPPED, Alarm.OVERLOADED],
    ]


def test_a_device_counts_as_overloaded_for_a_while_after_it_was(spool: Spool, device: Device) -> None:
    watch = device.watch(spool)
    device.dropped = 1
    device.live(watch, 0, round(OVERLOADED_S) + 61)
    alarms = {second: record.alarms for second, record in device.told}
    assert alarms[round(OVERLOADED_S) - 60] == {Alarm.OVERLOADED}
    assert alarms[round(OVERLOADED_S)] == set()
    device.dropped = 2
    assert device.live(watch, 400, 402) == [400]


def test_a_damaged_spool_is_an_alarm(tmp_path: Path, device: Device) -> None:
    (tmp_path / "spool.db").write_bytes(b"not a database at all" * 100)
    with capture_logs():
        spool = Spool(tmp_path / "spool.db")
    record = device.watch(spool).due(0.0)
    assert record is not None
    assert record.alarms == {Alarm.SPOOL_DAMAGED}
    spool.close()


def test_a_minute_says_how_long_it_was_what_encoding_took_and_how_hot_it_is(spool: Spool) -> None:
    times = EncodeTimes()
    figures = Figures(-100.0, times, lambda: Readings(61.6, 9.44))
    watch = Watch(spool, lambda: 0, lambda: False, figures)
    first = watch.due(0.0)
    times.add(0.2)
    times.add(0.4)
    second, last = watch.due(60.0), watch.now(75.0)
    assert first is not None
    assert second is not None
    assert [(each.uptime_s, each.span_s) for each in (first, second, last)] == [
        (100, 1),
        (160, 60),
        (175, 15),
    ]
    assert [(each.encode_ms, each.encode_most_ms) for each in (first, second, last)] == [
        (0, 0),
        (300, 400),
        (0, 0),
    ]
    assert (second.temperature_c, second.power_dw) == (62, 94)
