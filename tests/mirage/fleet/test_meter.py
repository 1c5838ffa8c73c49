"""Overruns, judged without the buckets that are to prevent them."""

import pytest

from edge.allowance import Limits, Purpose, Standing
from mirage.fleet.meter import MeteredBudget, Overrun


def test_a_burst_and_what_flows_in_are_no_overrun() -> None:
    overrun = Overrun(10.0, 100.0)
    for at_s, size in ((0.0, 60), (1.0, 50), (11.0, 100)):
        overrun.note(size, at_s)
    assert overrun.bytes == 0


def test_any_stretch_of_time_counts() -> None:
    overrun = Overrun(10.0, 100.0)
    for at_s, size in ((0.0, 10), (50.0, 100), (51.0, 30), (500.0, 1)):
        overrun.note(size, at_s)
    assert overrun.bytes == 20


def test_idle_time_is_not_saved_up_beyond_the_burst() -> None:
    overrun = Overrun(10.0, 100.0)
    overrun.note(1, 0.0)
    overrun.note(150, 1000.0)
    assert overrun.bytes == 50


@pytest.mark.parametrize(
    "limits", [Limits(bytes_per_s=50.0, burst_bytes=3000), Limits(bytes_per_month=10**6)]
)
def test_a_device_that_asks_keeps_within_and_one_that_does_not_is_found(limits: Limits) -> None:
    honest, careless = (MeteredBudget(limits, Standing(), asks=asks) for asks in (True, False))
    for budget in (honest, careless):
        for second in range(600):
            while budget.admits(Purpose.LIVE, 500, float(second)) and budget.sent["live"] < 10**6:
                budget.spent(Purpose.LIVE, 500, float(second))
    assert honest.overrun_bytes == 0
    assert 0 < honest.sent["live"] < 10**6
    assert careless.overrun_bytes > 0


def test_without_limits_there_is_nothing_to_overrun() -> None:
    budget = MeteredBudget(Limits(), Standing())
    budget.spent(Purpose.BACKLOG, 10**9, 0.0)
    assert (budget.overrun_bytes, budget.sent["backlog"]) == (0, 10**9)
