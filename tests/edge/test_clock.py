"""Clocks: a stream's own spacing, anchored where it arrived."""

import time

from edge.clock import BootClock, StreamClock


def test_boot_time_counts_from_the_start_and_knows_its_wall_clock() -> None:
    before_ms = time.time_ns() // 1_000_000
    clock = BootClock.start()
    assert 0 <= clock.now_us() < 1_000_000
    assert before_ms <= clock.boot_wall_ms <= before_ms + 1000
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
