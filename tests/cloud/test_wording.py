"""Numbers and captions as people read them."""

from dataclasses import replace
from datetime import UTC

import pytest

from cloud.catalog import CameraView, SegmentView
from cloud.page import markup, wording

CAMERA = CameraView("a/b/c/d", "a", "b", "c", "d", 1280, 720, 25.0, "ready", 0, 1, 100)
SEGMENT = SegmentView(
    id=1, camera="a/b/c/d", sequence=0, start_ms=1_790_000_000_000, duration_ms=2_000, still=False,
    historical=False, caption="a < b", fault=None, bytes=138, layers={"caption": 30, 'layer-77"><b>': 108},
    render="none", error=None, clip=None,
)  # fmt: skip


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.0 kB"),
        (4_096, "4.1 kB"),
        (123_456, "123 kB"),
        (999_600, "1.0 MB"),
        (5_000_000_000, "5.0 GB"),
        (10**16, "10000 TB"),
    ],
)
def test_bytes(count: int, text: str) -> None:
    assert wording.bytes_text(count) == text


@pytest.mark.parametrize(
    ("ms", "text"), [(0, "0.0 s"), (2_000, "2.0 s"), (59_999, "60.0 s"), (61_000, "1 min 1 s")]
)
def test_durations(ms: int, text: str) -> None:
    assert wording.duration_text(ms) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "just now"), (59, "just now"), (60, "1 min ago"), (7_200, "2 h ago"), (200_000, "2 days ago")],
)
def test_how_long_ago(seconds: int, text: str) -> None:
    assert wording.ago_text(1_000_000_000, 1_000_000_000 + seconds * 1000) == text


def test_times_are_those_of_the_visitors_clock() -> None:
    noon_ms = 1_790_000_000_000 // 86_400_000 * 86_400_000 + 43_200_000
    assert wording.clock_text(noon_ms, UTC) == "12:00:00"
    assert wording.clock_text(noon_ms, wording.zone(-120)) == "14:00:00"
    assert wording.clock_text(noon_ms, wording.zone(99_999)) == "12:01:00", "nonsense is bounded"


def test_the_ratio_is_that_to_raw_pixels() -> None:
    # 1280 x 720 x 3 bytes x 50 frames / 138 bytes
    assert wording.ratio_text(SEGMENT, CAMERA) == "1,000,000 times smaller than raw"
    assert wording.ratio_text(SEGMENT, None) == ""


def test_markup_escapes_what_a_device_says() -> None:
    card = markup.segment_card(SEGMENT, UTC)
    assert "a &lt; b" in card
    assert "<b>&" not in card
    legend = markup.layer_legend(SEGMENT)
    assert 'class="swatch layer-layer-b"' in legend
    assert "layer-77&quot;&gt;&lt;b&gt;" in legend


def test_a_bar_shows_each_layers_share() -> None:
    assert 'style="width:21.74%"' in markup.layer_bar(SEGMENT)


def test_a_camera_shows_what_its_device_complains_of() -> None:
    card = markup.camera_card(replace(CAMERA, alarms=("disk-full", "<b>")), 0)
    assert '<span class="alarm">its disk is full</span><span class="alarm">&lt;b&gt;</span>' in card
    assert "alarm" not in markup.camera_card(CAMERA, 0)


@pytest.mark.parametrize(
    ("count", "more", "text"),
    [
        (0, False, "No caption says that."),
        (1, False, "1 caption"),
        (7, False, "7 captions, the newest first"),
        (24, True, "More than 24 captions, the newest first"),
    ],
)
def test_what_a_search_found_is_counted(count: int, *, more: bool, text: str) -> None:
    assert wording.found_text(count, more=more) == text


def test_a_search_result_says_when_and_where_it_was_seen() -> None:
    card = markup.found_card(SEGMENT, UTC)
    assert "Mon 21 Sep 2026, 14:13:20" in card
    assert "d · c · b" in card
    assert "a &lt; b" in card
    hostile = replace(SEGMENT, camera="a/<b>/c/<i>")
    assert "<i>" not in markup.found_card(hostile, UTC)
