"""Films one after another: numbers, times and eras."""

from dataclasses import replace

from cloud.hls.reel import Place, Shot, append

SHOT = Shot(
    packet_id=1, tag="a" * 64, init_id="1" * 16, timescale=1000, first=0, ticks=(2000, 500),
    start_ms=50_000, end_ms=52_500,
)  # fmt: skip


def test_pieces_follow_each_other_in_number_in_time_and_on_the_clock() -> None:
    place, fragments = append(Place(), SHOT)
    assert [(each.number, each.piece, each.base_ticks, each.start_ms) for each in fragments] == [
        (0, 0, 0, 50_000),
        (1, 1, 2000, 52_000),
    ]
    assert place == Place(number=2, era=0, init_id="1" * 16, timescale=1000, ticks=2500, end_ms=52_500)


def test_what_follows_without_a_gap_is_the_same_era() -> None:
    place, _ = append(Place(), SHOT)
    for start_ms in (52_499, 52_502):
        _, fragments = append(place, replace(SHOT, start_ms=start_ms, end_ms=start_ms + 2500))
        assert [each.era for each in fragments] == [0, 0]
        assert fragments[0].base_ticks == 2500


def test_after_a_gap_a_new_era_goes_on_in_time() -> None:
    place, _ = append(Place(), SHOT)
    place, fragments = append(place, replace(SHOT, start_ms=60_000, end_ms=62_500))
    assert [(each.era, each.base_ticks, each.start_ms) for each in fragments] == [
        (1, 2500, 60_000),
        (1, 4500, 62_000),
    ]
    assert place.era == 1


def test_another_size_or_rate_is_a_new_era_whose_clock_goes_on() -> None:
    place, _ = append(Place(), SHOT)
    other = replace(
        SHOT, init_id="2" * 16, timescale=90_001, ticks=(180_002,), start_ms=52_500, end_ms=54_500
    )
    place, (fragment,) = append(place, other)
    assert (fragment.era, fragment.base_ticks) == (1, 225_003), "2.5 s, rounded up so that nothing overlaps"
    _, fragments = append(place, replace(SHOT, start_ms=54_500, end_ms=57_000))
    assert (fragments[0].era, fragments[0].base_ticks) == (2, 4501)


def test_only_pieces_that_are_shown_take_time() -> None:
    place, fragments = append(Place(), replace(SHOT, first=7, ticks=(500,), start_ms=52_000))
    assert [(each.piece, each.base_ticks) for each in fragments] == [(7, 0)]
    assert place.ticks == 500
