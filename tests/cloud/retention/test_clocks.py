"""A clock that is set forth must not remove what is not old."""

from cloud.retention.clocks import DISTRUST_MS, STEP_MS, Watch

YEAR_MS = 365 * 86_400_000


def test_a_clock_that_was_set_forth_is_not_believed_for_an_hour() -> None:
    watch = Watch(0, 0)
    assert watch.trusts(60_000, 60_000)
    assert not watch.trusts(YEAR_MS, 120_000)
    assert not watch.trusts(YEAR_MS + 60_000, 180_000)
    assert not watch.trusts(YEAR_MS + DISTRUST_MS - 1, 120_000 + DISTRUST_MS - 1)
    assert watch.trusts(YEAR_MS + DISTRUST_MS, 120_000 + DISTRUST_MS)


def test_one_that_is_set_right_meanwhile_is_watched_from_there() -> None:
    watch = Watch(0, 0)
    assert not watch.trusts(YEAR_MS, 60_000)
    assert not watch.trusts(120_000, 120_000)
    assert watch.trusts(60_000 + DISTRUST_MS, 60_000 + DISTRUST_MS)


def test_small_corrections_and_steps_back_remove_nothing_and_so_are_believed() -> None:
    watch = Watch(0, 0)
    assert watch.trusts(60_000 + STEP_MS, 60_000)
    assert watch.trusts(0, 120_000)
