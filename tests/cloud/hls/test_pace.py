"""What a live view does with segments: pure decisions."""

from dataclasses import replace

import pytest

from cloud.hls.pace import Candidate, Clip, State, Verdict, holds, judge, pieces_shown

NOW_MS = 100_000
ONE = Candidate(
    packet_id=1, boot_id=1, sequence=0, start_ms=0, duration_ms=2000, still=False, stored_ms=NOW_MS,
    state="queued", clip=None,
)  # fmt: skip
CLIP = Clip("a" * 64, "clips/a.mp4", 1000)


def stream(*states: State, duration_ms: int = 2000) -> list[Candidate]:
    """Give segments that follow one another, the newest of which has just come."""
    return [
        replace(
            ONE, packet_id=number, sequence=number, start_ms=number * duration_ms, duration_ms=duration_ms,
            state=state, stored_ms=NOW_MS - (len(states) - 1 - number) * duration_ms,
            clip=CLIP if state == "made" else None,
        )
        for number, state in enumerate(states)
    ]  # fmt: skip


def verdicts(*states: State, now_ms: int = NOW_MS) -> str:
    return " ".join(verdict.name for verdict in judge(stream(*states), now_ms))


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        pytest.param(("made", "made"), "SHOW SHOW", id="what is made is shown"),
        pytest.param(("made", "failed", "made"), "SHOW FAIL SHOW", id="what failed is left out"),
        pytest.param(("unasked",), "WAIT", id="the newest waits for its successor"),
        pytest.param(("unasked", "unasked"), "ASK WAIT", id="one with a successor is asked for"),
        pytest.param(("queued", "queued"), "WAIT WAIT", id="two behind is not too late"),
        pytest.param(("queued", "queued", "queued"), "LATE WAIT WAIT", id="three behind is too late"),
        pytest.param(("queued", "queued", "made"), "LATE WAIT SHOW", id="whatever else is made"),
        pytest.param(("running", "queued", "queued"), "WAIT WAIT WAIT", id="what is rendered is awaited"),
        pytest.param(
            ("running", "queued", "queued", "queued"), "WAIT LATE WAIT WAIT", id="not what waits behind it"
        ),
        pytest.param(("running", "made", "queued"), "LATE SHOW WAIT", id="nor once a newer one is made"),
        pytest.param(("running", "made"), "WAIT SHOW", id="unless the view is not behind"),
    ],
)  # fmt: skip
def test_what_becomes_of_segments(states: tuple[State, ...], expected: str) -> None:
    assert verdicts(*states) == expected


def test_the_newest_is_asked_for_when_no_successor_comes() -> None:
    assert verdicts("unasked", now_ms=NOW_MS + 2_500) == "ASK"


def test_a_rendering_that_never_ends_is_given_up() -> None:
    assert verdicts("running", now_ms=NOW_MS + 60_000) == "LATE"


def test_a_still_segment_is_as_urgent_as_any_other() -> None:
    (minute,) = stream("queued", duration_ms=60_000)
    assert judge([minute], NOW_MS) == [Verdict.WAIT]
    after = replace(ONE, start_ms=minute.end_ms, sequence=1)
    assert judge([minute, after], NOW_MS) == [Verdict.WAIT, Verdict.WAIT]
    much_later = replace(ONE, start_ms=minute.end_ms + 2000, sequence=2)
    assert judge([minute, after, much_later], NOW_MS)[0] is Verdict.LATE


def test_what_waits_of_an_earlier_boot_is_left_out() -> None:
    old, new = ONE, replace(ONE, boot_id=2, start_ms=50)
    assert judge([old, new], NOW_MS) == [Verdict.LATE, Verdict.WAIT]


PIECES = [2000] * 30


def test_a_moving_segment_is_shown_whole() -> None:
    assert pieces_shown([2000, 2000, 2000], 1000, replace(ONE, duration_ms=6000), 0) == 0


def test_of_a_still_minute_only_the_end_is_shown() -> None:
    minute = replace(ONE, still=True, duration_ms=60_000)
    assert pieces_shown(PIECES, 1000, minute, shown_until_ms=0) == 28
    assert pieces_shown([*PIECES[:-1], 1500], 1000, replace(minute, duration_ms=59_500), 0) == 27


def test_what_was_held_stands_for_the_beginning_of_a_still_segment() -> None:
    minute = replace(ONE, still=True, duration_ms=60_000)
    assert pieces_shown(PIECES, 1000, minute, shown_until_ms=58_000) == 29
    assert pieces_shown(PIECES, 1000, minute, shown_until_ms=59_999) == 29, "never nothing"
    assert pieces_shown(PIECES, 1000, minute, shown_until_ms=70_000) == 28, "which is another time altogether"


@pytest.mark.parametrize(
    ("shown_ago_ms", "listed_ago_ms", "expected"),
    [
        pytest.param(3_999, 3_999, False, id="not at once: the next segment may be on its way"),
        pytest.param(4_000, 4_000, True, id="then what is not told does not move"),
        pytest.param(20_000, 1_999, False, id="one piece at a time"),
        pytest.param(20_000, 2_000, True, id="as long as it lasts"),
        pytest.param(66_000, 2_000, False, id="but no longer than a camera may be silent"),
    ],
)
def test_a_picture_is_held_while_nothing_comes(
    shown_ago_ms: int, listed_ago_ms: int, *, expected: bool
) -> None:
    assert holds(NOW_MS - shown_ago_ms, NOW_MS - listed_ago_ms, NOW_MS) is expected
