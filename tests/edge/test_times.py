"""Encode times: what a minute says, and the histogram."""

from edge.times import BOUNDS_S, EncodeTimes


def test_a_minute_says_mean_and_longest_and_the_next_begins_anew() -> None:
    times = EncodeTimes()
    for seconds in (0.1, 0.2, 0.6):
        times.add(seconds)
    assert times.take() == (300, 600)
    assert times.take() == (0, 0)
    times.add(0.00001)
    assert times.take() == (1, 1)


def test_the_histogram_goes_on() -> None:
    times = EncodeTimes()
    for seconds in (0.05, 0.06, 100.0):
        times.add(seconds)
    times.take()
    counts = times.histogram().counts
    assert (counts[0], counts[1], counts[-1], sum(counts)) == (1, 1, 1, 3)
    assert len(counts) == len(BOUNDS_S) + 1
    assert times.histogram().sum_s == 0.05 + 0.06 + 100.0
