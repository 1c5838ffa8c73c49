"""Two cursors: what has just come is not held up by what has waited, and nothing is forgotten."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from edge.feed import BACKLOG_S, RESEND_LIMIT_S, Feed
from edge.spool import Spool
from edge.stock import Spooled
from tests.edge.spooling import fill
from wire.documents import AckWatermark


class Clock:
    """Stands still until it is told."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stocked(tmp_path: Path, clock: Clock) -> Iterator[Spool]:
    opened = Spool(tmp_path / "spool.db", clock=clock)
    yield opened
    opened.close()


def take(feed: Feed, kind: Callable[[int], list[Spooled]], limit: int = 100) -> list[int]:
    items = kind(limit)
    for item in items:
        feed.sent(item)
    return [item.sequence for item in items]


def test_what_waited_is_backlog_and_what_came_since_is_live(stocked: Spool, clock: Clock) -> None:
    fill(stocked, range(3))
    clock.now_s += BACKLOG_S
    fill(stocked, range(3, 5))
    feed = Feed(stocked)
    feed.rewind()
    assert take(feed, feed.live) == [3, 4]
    assert take(feed, feed.backlog, 2) == [0, 1]
    fill(stocked, [5])
    assert take(feed, feed.live) == [5]
    assert take(feed, feed.backlog) == [2]
    assert (take(feed, feed.backlog), take(feed, feed.live)) == ([], [])


def test_an_earlier_boot_is_backlog_however_young(tmp_path: Path) -> None:
    before = Spool(tmp_path / "spool.db")
    fill(before, range(3))
    before.close()
    after = Spool(tmp_path / "spool.db")
    fill(after, range(2))
    feed = Feed(after)
    feed.rewind()
    assert [item.boot_id for item in feed.live(9)] == [after.boot_id] * 2
    assert [item.boot_id for item in feed.backlog(9)] == [before.boot_id] * 3
    after.close()


def test_nothing_is_offered_twice_on_one_connection_unless_it_is_not_acknowledged(
    stocked: Spool,
) -> None:
    feed = Feed(stocked, resend_s=60)
    feed.rewind()
    fill(stocked, range(4))
    assert take(feed, feed.live) == [0, 1, 2, 3]
    assert not feed.resends(0.0)
    stocked.acknowledge(stocked.boot_id, AckWatermark(1))
    assert not feed.resends(59.0)
    assert not feed.resends(60.0)  # two were acknowledged: the others may be on their way
    fill(stocked, [4])
    assert take(feed, feed.live) == [4]
    assert feed.resends(120.0)
    assert take(feed, feed.backlog) == [2, 3]
    assert take(feed, feed.live) == []


def test_live_packets_that_are_acknowledged_do_not_hide_an_old_one_that_is_not(stocked: Spool) -> None:
    feed = Feed(stocked, resend_s=60)
    feed.rewind()
    fill(stocked, [0, 1])
    assert take(feed, feed.live) == [0, 1]
    resent = list[int]()
    for second in range(200):
        fill(stocked, [second + 2])
        take(feed, feed.live)
        stocked.acknowledge(stocked.boot_id, AckWatermark(second + 2, ((1, 1),)))
        feed.resends(float(second))
        resent += take(feed, feed.backlog)
    assert resent == [1, 1]


def test_what_nobody_acknowledges_is_sent_ever_more_rarely(stocked: Spool) -> None:
    feed, times_s = Feed(stocked, resend_s=60), list[int]()
    feed.rewind()
    fill(stocked, [0])
    take(feed, feed.live)
    for second in range(20_000):
        if feed.resends(float(second)):
            times_s.append(second)
            assert take(feed, feed.backlog) == [0]
    waits_s = [after - before for before, after in pairwise(times_s)]
    assert waits_s[:4] == [121, 241, 481, 961]
    assert max(waits_s) <= RESEND_LIMIT_S + 1


def test_a_resend_that_helped_makes_the_next_wait_short_again(stocked: Spool) -> None:
    feed = Feed(stocked, resend_s=60)
    feed.rewind()
    fill(stocked, [0])
    take(feed, feed.live)
    assert [second for second in range(300) if feed.resends(float(second)) and take(feed, feed.backlog)] == [
        60,
        181,
    ]
    stocked.acknowledge(stocked.boot_id, AckWatermark(0))
    assert not any(feed.resends(300.0 + second) for second in range(600))
    fill(stocked, [1])
    take(feed, feed.live)
    later = [second for second in range(900, 1100) if feed.resends(float(second))]
    assert later[0] - 900 <= 2 * 60


def test_a_new_connection_offers_all_of_it_again(stocked: Spool, clock: Clock) -> None:
    fill(stocked, range(2))
    feed = Feed(stocked)
    feed.rewind()
    assert take(feed, feed.live) == [0, 1]
    clock.now_s += BACKLOG_S
    feed.rewind()
    assert (take(feed, feed.live), take(feed, feed.backlog)) == ([], [0, 1])


def test_gap_records_go_where_they_lie(stocked: Spool, clock: Clock) -> None:
    fill(stocked, range(2))
    clock.now_s += BACKLOG_S
    feed = Feed(stocked)
    feed.rewind()
    stocked.give_up_unreadable(stocked.pending(1)[0].position)
    assert take(feed, feed.live) == [0]
    assert take(feed, feed.backlog) == [1]
