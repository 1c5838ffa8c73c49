"""The byte budget: what could wait waits, what is live goes and is counted."""

import random

from edge.bucket import Bucket


def test_a_full_bucket_lets_a_burst_pass_and_then_the_rate() -> None:
    bucket, sent = Bucket(100, 1000), 0
    for second in range(100):
        while bucket.admits(50, second):
            bucket.take(50, second)
            sent += 50
    assert sent == 1000 + 99 * 100


def test_what_is_live_goes_whatever_the_level_and_holds_the_rest_back() -> None:
    bucket = Bucket(100, 1000)
    bucket.take(1500, 0.0)
    assert not bucket.admits(100, 0.0)
    assert not bucket.admits(100, 5.9)
    assert bucket.admits(100, 6.01)


def test_debts_have_an_end() -> None:
    bucket = Bucket(100, 1000)
    for _ in range(100):
        bucket.take(1000, 0.0)
    assert bucket.admits(100, 11.0)


def test_what_is_larger_than_the_burst_goes_when_the_bucket_is_full() -> None:
    bucket = Bucket(100, 1000)
    assert bucket.admits(5000, 0.0)
    bucket.take(5000, 0.0)
    assert not bucket.admits(5000, 19.9)
    assert bucket.admits(5000, 20.01)


def test_without_a_rate_everything_goes() -> None:
    bucket = Bucket(None, 0)
    bucket.take(10**9, 0.0)
    assert bucket.admits(10**9, 0.0)


def test_a_clock_that_goes_back_gives_nothing() -> None:
    bucket = Bucket(100, 1000)
    bucket.take(1000, 50.0)
    assert not bucket.admits(1, 10.0)
    assert not bucket.admits(1, 50.0)


def test_no_second_of_any_schedule_takes_more_than_burst_and_rate() -> None:
    chance = random.Random(3)
    bucket, now_s, sent = Bucket(200, 2000), 0.0, list[tuple[float, int]]()
    for _ in range(3000):
        now_s += chance.expovariate(5)
        size = chance.randint(20, 400)
        if bucket.admits(size, now_s):
            bucket.take(size, now_s)
            sent.append((now_s, size))
    for begin_s in range(0, int(now_s), 7):
        window = sum(size for at_s, size in sent if begin_s <= at_s < begin_s + 10)
        assert window <= 2000 + 10 * 200
