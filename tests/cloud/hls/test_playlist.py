"""Playlists, to the letter."""

from dataclasses import replace

from cloud.hls.playlist import GROWING, HOLD, LIVE, WHOLE, playlist
from cloud.hls.reel import Fragment

FIRST = Fragment(
    number=41, packet_id=7, tag="aa" * 32, piece=0, init_id="1" * 16, timescale=10_240, base_ticks=20_480,
    ticks=20_480, start_ms=1_790_000_000_000, era=3,
)  # fmt: skip
SECOND = replace(FIRST, number=42, piece=1, base_ticks=40_960, ticks=5_120, start_ms=1_790_000_002_000)


def test_a_live_playlist_says_where_it_begins_and_how_it_is_fetched() -> None:
    held = replace(SECOND, number=43, piece=HOLD, base_ticks=46_080, ticks=20_480, start_ms=1_790_000_002_500)
    assert playlist([FIRST, SECOND, held], LIVE) == (
        "#EXTM3U\n"
        "#EXT-X-VERSION:7\n"
        "#EXT-X-TARGETDURATION:2\n"
        "#EXT-X-MEDIA-SEQUENCE:41\n"
        "#EXT-X-DISCONTINUITY-SEQUENCE:3\n"
        "#EXT-X-INDEPENDENT-SEGMENTS\n"
        "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,HOLD-BACK=6.0\n"
        '#EXT-X-MAP:URI="init/1111111111111111.mp4"\n'
        "#EXT-X-PROGRAM-DATE-TIME:2026-09-21T14:13:20.000Z\n"
        "#EXTINF:2.00000,\n"
        "fragments/7/aaaaaaaaaaaaaaaa/0.m4s?t=20480\n"
        "#EXT-X-PROGRAM-DATE-TIME:2026-09-21T14:13:22.000Z\n"
        "#EXTINF:0.50000,\n"
        "fragments/7/aaaaaaaaaaaaaaaa/1.m4s?t=40960\n"
        "#EXT-X-PROGRAM-DATE-TIME:2026-09-21T14:13:22.500Z\n"
        "#EXTINF:2.00000,\n"
        "fragments/7/aaaaaaaaaaaaaaaa/hold.m4s?t=46080\n"
    )


def test_a_recording_ends_and_a_change_of_size_has_its_own_init() -> None:
    other = replace(
        SECOND, packet_id=9, tag="bb" * 32, piece=0, init_id="2" * 16, timescale=30_000, base_ticks=120_000,
        ticks=60_060, start_ms=1_790_000_060_000, era=4,
    )  # fmt: skip
    first = replace(FIRST, number=0, era=0, base_ticks=0)
    assert playlist([first, replace(other, number=1, era=1)], WHOLE) == (
        "#EXTM3U\n"
        "#EXT-X-VERSION:7\n"
        "#EXT-X-TARGETDURATION:2\n"
        "#EXT-X-MEDIA-SEQUENCE:0\n"
        "#EXT-X-DISCONTINUITY-SEQUENCE:0\n"
        "#EXT-X-INDEPENDENT-SEGMENTS\n"
        "#EXT-X-PLAYLIST-TYPE:VOD\n"
        '#EXT-X-MAP:URI="init/1111111111111111.mp4"\n'
        "#EXT-X-PROGRAM-DATE-TIME:2026-09-21T14:13:20.000Z\n"
        "#EXTINF:2.00000,\n"
        "fragments/7/aaaaaaaaaaaaaaaa/0.m4s?t=0\n"
        "#EXT-X-DISCONTINUITY\n"
        '#EXT-X-MAP:URI="init/2222222222222222.mp4"\n'
        "#EXT-X-PROGRAM-DATE-TIME:2026-09-21T14:14:20.000Z\n"
        "#EXTINF:2.00200,\n"
        "fragments/9/bbbbbbbbbbbbbbbb/0.m4s?t=120000\n"
        "#EXT-X-ENDLIST\n"
    )


def test_a_recording_that_is_still_rendered_may_only_grow() -> None:
    text = playlist([replace(FIRST, number=0, era=0)], GROWING)
    assert "#EXT-X-PLAYLIST-TYPE:EVENT\n" in text
    assert "#EXT-X-ENDLIST" not in text


def test_a_discontinuity_that_left_the_window_is_counted() -> None:
    """However much of the stream a playlist still has, each fragment is in the same era."""
    stream = [replace(FIRST, number=number, era=era) for number, era in enumerate([0, 0, 1, 1, 2])]
    for start in range(len(stream)):
        eras, era = [], 0
        for line in playlist(stream[start:], LIVE).splitlines():
            if line.startswith("#EXT-X-DISCONTINUITY-SEQUENCE:"):
                era = int(line.rpartition(":")[2])
            elif line == "#EXT-X-DISCONTINUITY":
                era += 1
            elif not line.startswith("#"):
                eras.append(era)
        assert eras == [fragment.era for fragment in stream[start:]]
