"""Forecasts of series whose end is known."""

import numpy as np
import pytest

from cloud.usage.forecast import LEAST_DAYS, Ahead, Day, forecast

MEGABYTE = 1_000_000


def days(count: int, *weekly: int) -> list[Day]:
    return [Day(number % 7, weekly[number % len(weekly)]) for number in range(count)]


def test_a_device_that_sends_the_same_each_day_goes_on_so() -> None:
    found = forecast(days(20, MEGABYTE), 5 * MEGABYTE, [Ahead(weekday % 7) for weekday in range(10)])
    assert found is not None
    assert (found.expected, found.low, found.high) == (15 * MEGABYTE,) * 3


def test_weekends_are_told_from_workdays() -> None:
    weekly = (10, 10, 10, 10, 10, 1, 1)
    found = forecast(days(28, *weekly), 0, [Ahead(5), Ahead(6)])
    assert found is not None
    assert (found.expected, found.method) == (2, "weekdays")
    early = forecast(days(10, *weekly), 0, [Ahead(5), Ahead(6)])
    assert early is not None
    assert (early.expected, early.method) == (20, "days")


def test_one_day_out_of_the_usual_does_not_move_what_is_expected() -> None:
    history = days(21, 100)
    history[10] = Day(history[10].weekday, 1_000_000)
    found = forecast(history, 0, [Ahead(weekday) for weekday in range(7)])
    assert found is not None
    assert found.expected == 700
    assert found.high > 700


def test_the_rest_of_today_counts_in_part() -> None:
    found = forecast(days(14, 1000), 250, [Ahead(0, 0.75)])
    assert found is not None
    assert found.expected == 1000


def test_what_was_sent_is_never_forecast_away() -> None:
    found = forecast(days(14, 0), 77, [Ahead(0)])
    assert found is not None
    assert (found.low, found.expected, found.high) == (77, 77, 77)
    done = forecast(days(14, 500), 77, [])
    assert done is not None
    assert done.expected == 77


def test_too_few_days_are_no_history() -> None:
    assert forecast(days(LEAST_DAYS - 1, 100), 5, [Ahead(0)]) is None


def test_the_same_history_gives_the_same_numbers() -> None:
    random = np.random.default_rng(3)
    history = [Day(number % 7, int(size)) for number, size in enumerate(random.lognormal(10, 1, 40))]
    ahead = [Ahead(number % 7) for number in range(15)]
    assert forecast(history, 0, ahead) == forecast(history, 0, ahead)


@pytest.mark.parametrize("spread", [0.2, 0.6])
def test_nine_months_in_ten_end_within_the_interval(spread: float) -> None:
    """Over 200 simulated devices; the interval is for 90 %, and the draw of 200 is within 7 % of that."""
    random = np.random.default_rng(11)
    within, trials = 0, 200
    for _ in range(trials):
        usual = random.lognormal(12, 0.5, 7)
        sizes = [int(usual[number % 7] * random.lognormal(0, spread)) for number in range(56 + 14)]
        history = [Day(number % 7, size) for number, size in enumerate(sizes[:56])]
        found = forecast(history, 0, [Ahead(number % 7) for number in range(14)])
        assert found is not None
        within += found.low <= sum(sizes[56:]) <= found.high
    assert 0.80 <= within / trials <= 0.97
