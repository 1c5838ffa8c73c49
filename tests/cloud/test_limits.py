"""Rates: who sends too much waits, and nobody waits for him."""

from cloud.config import Limits
from cloud.limits import Gate
from cloud.message import Message

LIMITS = Limits(
    device_packets_per_s=10, device_burst=5, device_bytes_per_s=100_000, device_burst_bytes=70_000
)


def sem(at_ms: int, device: str = "one", size: int = 10) -> Message:
    return Message(f"mirage/v1/acme/north/{device}/gate/sem", bytes(size), at_ms)


def birth(at_ms: int, mark: int = 0) -> Message:
    return Message("mirage/v1/acme/north/one/birth", bytes((mark,)), at_ms)


def test_a_burst_passes_then_the_rate_holds() -> None:
    gate = Gate(LIMITS)
    assert [gate.admits(sem(0)) for _ in range(7)] == [True] * 5 + [False] * 2
    assert [gate.admits(sem(at_ms)) for at_ms in range(50, 1050, 50)].count(True) == 10


def test_a_device_that_floods_takes_nothing_from_another() -> None:
    gate = Gate(LIMITS)
    for _ in range(1000):
        gate.admits(sem(0))
    assert [gate.admits(sem(0, "two")) for _ in range(5)] == [True] * 5


def test_all_topics_of_a_device_are_one_rate() -> None:
    gate = Gate(LIMITS)
    topics = [
        f"mirage/v1/acme/north/one/{leaf}"
        for leaf in ("state", "telemetry", "a/sem", "b/sem", "c/sem", "d/sem")
    ]
    assert [gate.admits(Message(topic, b"", 0)) for topic in topics] == [True] * 5 + [False]


def test_bytes_count_too() -> None:
    gate = Gate(LIMITS)
    assert [gate.admits(sem(0, size=60_000)) for _ in range(2)] == [True, False]
    assert gate.admits(sem(600, size=60_000))


def test_topics_that_nobody_understands_share_one_rate() -> None:
    gate = Gate(LIMITS)
    assert [gate.admits(Message(f"x{number}", b"", 0)) for number in range(6)] == [True] * 5 + [False]


def test_of_too_many_births_the_newest_is_held_back_and_passes_later() -> None:
    gate = Gate(Limits(device_packets_per_s=1000, device_burst=1000))
    assert [gate.admits(birth(0, mark)) for mark in range(63)] == [True] * 60 + [False] * 3
    assert gate.released(999) == []
    assert gate.released(1_000) == [birth(0, 62)]
    assert gate.released(60_000) == []


def test_a_birth_among_too_many_packets_is_held_back_and_not_dropped() -> None:
    gate = Gate(LIMITS)
    for _ in range(6):
        gate.admits(sem(0))
    assert not gate.admits(birth(0, 1))
    assert gate.released(100) == [birth(0, 1)]


def test_a_birth_that_passes_replaces_one_that_was_held_back() -> None:
    gate = Gate(Limits(device_packets_per_s=1000, device_burst=1000))
    for mark in range(61):
        gate.admits(birth(0, mark))
    assert gate.admits(birth(1_000, 99))
    assert gate.released(60_000) == []


def test_a_birth_that_passed_may_be_said_again_and_replaces_none_that_waits() -> None:
    gate = Gate(Limits(device_packets_per_s=1000, device_burst=1000))
    for mark in range(61):
        gate.admits(birth(0, mark))
    assert all(gate.admits(birth(1, 3)) for _ in range(100))
    assert gate.released(1_000) == [birth(0, 60)]


def test_a_clock_that_is_set_back_stops_nobody_for_long() -> None:
    gate = Gate(LIMITS)
    for _ in range(5):
        gate.admits(sem(1_000_000))
    assert not gate.admits(sem(0))
    assert gate.admits(sem(200))


def test_long_topics_share_one_rate_and_are_not_remembered() -> None:
    gate = Gate(LIMITS)
    topics = [f"mirage/v1/{'a' * (1000 + number)}/north/one/gate/sem" for number in range(6)]
    assert [gate.admits(Message(topic, b"", 0)) for topic in topics] == [True] * 5 + [False]


def test_of_many_devices_that_flood_with_births_few_are_held_back() -> None:
    gate = Gate(Limits(device_packets_per_s=1000, device_burst=1000))
    for number in range(1100):
        for mark in range(61):
            gate.admits(Message(f"mirage/v1/acme/north/d{number}/birth", bytes((mark,)), 0))
    assert len(gate.released(60_000)) == 1024
