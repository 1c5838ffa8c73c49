"""Clocks: a stream's own spacing, anchored where it arrived."""

import time

from edge.clock import STEP_MS, BootClock, CloudClock, StreamClock


def test_boot_time_counts_from_the_start_and_knows_its_wall_clock() -> None:
    before_ms = time.time_ns() // 1_000_000
    clock = BootClock.start()
    assert 0 <= clock.now_us() < 60_000_000  # a busy machine
    assert before_ms <= clock.boot_wall_ms <= before_ms + 60_000
    assert clock.wall_error_ms >= 1


def test_frames_keep_the_spacing_of_the_container_however_they_arrive() -> None:
    clock = StreamClock()
    arrivals = [(0, 5_000_000), (40_000, 5_100_000), (80_000, 5_100_500), (120_000, 5_100_600)]
    placed = [clock.place(position, now) for position, now in arrivals]
    assert placed == [5_000_000, 5_040_000, 5_080_000, 5_120_000]


def test_a_stream_without_timestamps_is_stamped_on_arrival() -> None:
    clock = StreamClock()
    assert [clock.place(0, now) for now in (1000, 41_000, 83_000)] == [1000, 41_000, 83_000]


def test_a_stream_whose_clock_runs_away_is_anchored_anew() -> None:
    clock = StreamClock()
    assert clock.place(0, 1000) == 1000
    assert clock.place(10_000_000, 50_000) == 50_000


def test_time_never_stands_still_or_goes_back() -> None:
    clock = StreamClock()
    placed = [clock.place(position, 1000) for position in (500, 500, 100, 600)]
    clock.restart()
    placed.append(clock.place(0, 900))
    assert placed == sorted(set(placed))


def test_a_wall_clock_that_is_set_after_boot_dates_the_boot_anew() -> None:
    clock = BootClock(zero_ns=5_000_000_000, boot_wall_ms=0, wall_error_ms=1)
    set_at_ns, now_ns = 1_790_000_000_000_000_000, 65_000_000_000
    better = clock.restated(now_ns, set_at_ns)
    assert better.boot_wall_ms == 1_790_000_000_000 - 60_000
    assert (better.zero_ns, better.wall_error_ms) == (clock.zero_ns, clock.wall_error_ms)
    assert better.restated(now_ns + 10**12, set_at_ns + 10**12) is better


def test_a_wall_clock_that_is_set_back_dates_the_boot_anew_too() -> None:
    clock = BootClock(zero_ns=0, boot_wall_ms=1_790_000_000_000, wall_error_ms=1)
    assert clock.restated(0, 1_789_999_000_000 * 10**6).boot_wall_ms == 1_789_999_000_000
    assert clock.restated(10**9, 0).boot_wall_ms == 0  # before 1970 there is nothing


def test_a_wall_clock_that_is_moved_by_a_little_changes_nothing() -> None:
    clock = BootClock(zero_ns=0, boot_wall_ms=1_790_000_000_000, wall_error_ms=1)
    for by_ms in (-STEP_MS, -1, 0, 1, STEP_MS):
        assert clock.restated(7_000_000_000, (1_790_000_007_000 + by_ms) * 10**6) is clock


def test_the_clouds_clock_is_unknown_until_an_ack_tells_it() -> None:
    clock = CloudClock()
    assert clock.now_ms(5.0) is None
    clock.hear(1_790_000_000_000, 5.0)
    assert clock.now_ms(7.5) == 1_790_000_002_500
    clock.forget()
    assert clock.now_ms(7.5) is None


def test_of_what_acks_say_the_latest_time_counts_whatever_their_order() -> None:
    for acks in (((1000, 1.0), (9000, 2.0), (3000, 3.0)), ((9000, 2.0), (1000, 2.5), (3000, 3.0))):
        clock = CloudClock()
        for cloud_ms, now_s in acks:
            clock.hear(cloud_ms, now_s)
        assert clock.now_ms(4.0) == 11_000
