"""`mirage bench cloud`, what viewers wait for: that it measures what it says, on the real parts."""

from itertools import islice, pairwise
from pathlib import Path

import pytest

from cloud.hls.playlist import LIVE, playlist
from cloud.hls.reel import Fragment
from cloud.scene import resolve
from mirage.bench.cloud.device import reel
from mirage.bench.cloud.timing import p95, summary
from mirage.bench.cloud.viewer import decode_first, entries_of
from mirage.bench.render import encoding
from mirage.bundles import TINY
from mirage.demo.source import bunny
from mirage.errors import DemoError
from tests.mirage.bench.printed import bench


@pytest.mark.slow
def test_events_are_timed_until_a_third_party_has_them() -> None:
    printed = bench("cloud", "--only", "event", "--samples", 3)
    took, known = (printed.part("event")[name] for name in ("packet_to_event", "of_that_until_it_was_known"))
    assert isinstance(took, dict)
    assert isinstance(known, dict)
    assert took["samples"] == known["samples"] == 3
    assert 0 < known["s_median"] < took["s_most"]
    assert [gate.name for gate in printed.gates] == ["packet to event, p95"]


@pytest.mark.slow
def test_clicks_are_timed_until_a_picture_is_decoded() -> None:
    printed = bench("cloud", "--only", "click", "--samples", 2)
    click = printed.part("click")
    for name in ("ready_clip", "ready_playlist", "rendered_clip", "rendered_playlist"):
        took = click[name]
        assert isinstance(took, dict)
        assert took["samples"] == 2
        assert 0 < took["s_median"] <= took["s_p95"] <= took["s_most"]
    assert [gate.name for gate in printed.gates] == [
        "click to picture, ready, p95", "click to picture, rendered, p95"
    ]  # fmt: skip


@pytest.mark.slow
def test_each_step_of_a_live_view_is_timed() -> None:
    printed = bench("cloud", "--only", "hls", "--samples", 2)
    hls = printed.part("hls")
    assert hls["segments_made"] == 2
    assert hls["failed"] == 0
    for name in ("captured_to_made", "made_to_stored", "stored_to_listed", "captured_to_playable"):
        took = hls[name]
        assert isinstance(took, dict)
        assert took["samples"] == hls["segments_seen"]
        assert took["s_median"] > 0
    assert [gate.unit for gate in printed.gates] == ["segments of 2 s"]


def test_a_reel_is_a_recording_without_end_that_can_be_read() -> None:
    opened = encoding(TINY, Path(bunny())).opened
    packets = list(islice(reel(opened, 5_000), 7))
    assert [packet.sequence for packet in packets] == list(range(7))
    assert packets[0].captured_ms == 5_000
    for one, after in pairwise(packets):
        assert one.captured_ms + one.duration_ms == after.captured_ms
    assert [packet.cut for packet in packets].count(True) >= 3
    captions = [segment.caption for segment in resolve(packets, opened.bundle.codec())]
    assert captions[:3] == captions[3:6]


def test_a_playlist_is_read_as_it_is_written() -> None:
    shown = [
        Fragment(number, 7, f"{number}" * 64, piece, init, 90_000, 0, 180_000, 0, 0)
        for number, piece, init in ((4, 0, "a" * 16), (5, -1, "a" * 16), (6, 2, "b" * 16))
    ]
    entries = entries_of(playlist(shown, LIVE))
    assert [(each.number, each.segment, each.held) for each in entries] == [
        (4, 7, False), (5, 7, True), (6, 7, False),
    ]  # fmt: skip
    assert [each.init for each in entries] == [f"init/{name * 16}.mp4" for name in "aab"]


def test_what_does_not_play_is_not_seen() -> None:
    with pytest.raises(DemoError, match="a film of 7 bytes does not play"):
        decode_first(b"no film")


def test_percentiles_are_values_that_were_seen() -> None:
    assert p95([3.0]) == 3.0
    assert p95([float(value) for value in range(1, 101)]) == 95.0
    assert p95([float(value) for value in range(1, 21)]) == 19.0
    assert summary([1.0, 2.0, 4.0]) == {"samples": 3, "s_median": 2.0, "s_p95": 4.0, "s_most": 4.0}
