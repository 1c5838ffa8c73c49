"""What stands out, and how seldom what does not is taken for it."""

import numpy as np
import pytest
from numpy.typing import NDArray

from cloud.usage.anomaly import LEAST_H, WEEK_H, find

HOUR_MS = 3_600_000
KILOBYTE = 1000


def hours(sizes: NDArray[np.float64]) -> list[tuple[int, int]]:
    return [(number * HOUR_MS, int(size)) for number, size in enumerate(sizes)]


def week() -> NDArray[np.float64]:
    """Give a week of a street: little by night, more by day, less at the weekend; bytes an hour."""
    hour = np.arange(WEEK_H)
    by_day = 50 * KILOBYTE + 350 * KILOBYTE * np.clip(np.sin((hour % 24 - 6) / 24 * 2 * np.pi), 0, 1)
    return np.where(hour // 24 >= 5, by_day * 0.5, by_day)


def traffic(seed: int, weeks: int, kind: str) -> NDArray[np.float64]:
    random = np.random.default_rng(seed)
    usual = np.tile(week(), weeks)
    if kind == "log-normal":
        return (usual * random.lognormal(0, 0.35, len(usual))).astype(np.float64)
    if kind == "poisson":  # a hundred bytes a packet
        return (random.poisson(usual / 100) * 100.0).astype(np.float64)
    bursts = np.where(random.random(len(usual)) < 0.05, 3.0, 1.0)  # an hour in twenty has an event
    return (usual * bursts * random.lognormal(0, 0.2, len(usual))).astype(np.float64)


@pytest.mark.parametrize("kind", ["log-normal", "poisson", "bursts"])
def test_stationary_traffic_raises_at_most_one_false_alarm_in_500_device_days(kind: str) -> None:
    """72 devices with 8 weeks of history and a week: of each day, the hour that sends most is looked at."""
    alarms = 0
    for seed in range(72):
        sizes = traffic(seed, 9, kind)
        history = hours(sizes)
        for day in range(8 * WEEK_H, 9 * WEEK_H, 24):
            hour = day + int(np.argmax(sizes[day : day + 24] / np.tile(week(), 9)[day : day + 24]))
            alarms += find(history[:hour], hour * HOUR_MS, int(sizes[hour])) is not None
    assert alarms <= 1


@pytest.mark.parametrize("kind", ["poisson", "log-normal"])
def test_ten_times_the_usual_is_found(kind: str) -> None:
    found = 0
    for seed in range(20):
        sizes = traffic(seed, 5, kind)
        hour = 4 * WEEK_H + 12
        found += find(hours(sizes)[:hour], hour * HOUR_MS, int(week()[12] * 10)) is not None
    assert found == 20


def test_a_finding_says_what_was_expected() -> None:
    sizes = np.tile(week(), 4)
    found = find(hours(sizes), 4 * WEEK_H * HOUR_MS, 900 * KILOBYTE)
    assert found is not None
    assert found.bytes == 900 * KILOBYTE
    assert found.expected == pytest.approx(week()[0], rel=0.1)
    assert found.expected < found.most < 900 * KILOBYTE


def test_more_by_day_is_not_more_than_by_night() -> None:
    sizes = np.tile(week(), 4)
    noon, night = int(week()[12]), 3
    at = 4 * WEEK_H
    assert find(hours(sizes), (at + 12) * HOUR_MS, noon) is None
    assert find(hours(sizes), (at + night) * HOUR_MS, noon) is not None


def test_a_bad_week_does_not_teach_that_bad_weeks_are_usual() -> None:
    sizes = np.tile(week(), 6)
    sizes[2 * WEEK_H : 3 * WEEK_H] *= 5
    at = 6 * WEEK_H + 12
    assert find(hours(np.append(sizes, week()[:12])), at * HOUR_MS, int(week()[12] * 8)) is not None


def test_without_two_weeks_there_is_no_finding() -> None:
    sizes = np.full(LEAST_H - 1, 1000.0)
    assert find(hours(sizes), (LEAST_H - 1) * HOUR_MS, 10**9) is None
    assert find([], 0, 10**9) is None


def test_a_few_bytes_of_a_device_that_sends_next_to_nothing_are_no_finding() -> None:
    sizes = np.full(LEAST_H, 100.0)
    assert find(hours(sizes), LEAST_H * HOUR_MS, 16_000) is None
    assert find(hours(sizes), LEAST_H * HOUR_MS, 60_000) is not None


def test_silent_hours_count_as_such() -> None:
    open_hours = [hour for hour in range(4 * WEEK_H) if 6 <= hour % 24 < 18]
    history = [(hour * HOUR_MS, 500_000) for hour in open_hours]
    assert find(history, (4 * WEEK_H + 3) * HOUR_MS, 500_000) is not None
    assert find(history, (4 * WEEK_H + 12) * HOUR_MS, 500_000) is None
