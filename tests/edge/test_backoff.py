"""Backoff: ever longer, never the same for a whole fleet."""

from edge.backoff import Backoff


def test_delays_double_up_to_the_limit_and_start_over_after_a_reset() -> None:
    backoff = Backoff(first_s=1, limit_s=4, seed=1)
    for longest_s in (1, 2, 4, 4):
        assert 0 <= backoff.next_delay_s() <= longest_s
    backoff.reset()
    assert backoff.next_delay_s() <= 1


def test_a_fleet_comes_back_evenly_over_the_whole_delay() -> None:
    delays_s = sorted(Backoff(first_s=8, seed=seed).next_delay_s() for seed in range(400))
    for quarter in range(4):
        assert 80 <= sum(2 * quarter <= delay_s < 2 * quarter + 2 for delay_s in delays_s) <= 120


def test_two_devices_do_not_wait_alike() -> None:
    assert Backoff(seed=1).next_delay_s() != Backoff(seed=2).next_delay_s()
