"""What simulated cameras would have taken as video, by what they have shown."""

from pathlib import Path

import pytest

from mirage.fleet.films import Shot
from mirage.fleet.footage import QUALITIES, Footage, Takes, measured
from tests.edge.films import panned, texture, write_film
from wire.spent import Codec

CLIPS = ((Takes((1000, 600), (100, 60)), Takes((3000, 1600), (300, 160))),)


def shot(at: int, duration_ms: int, *, still: bool = False) -> Shot:
    return Shot(0, at, duration_ms, still=still, begins=False)


def test_windows_count_as_long_as_they_are_shown() -> None:
    footage = Footage(CLIPS)
    assert footage.samples() == ()
    footage.shown(shot(0, 2000))
    footage.shown(shot(1, 4000))
    footage.shown(shot(7, 60_000, still=True))  # beyond the clip's whole windows: its last
    h264, h265 = footage.samples()
    assert (h264.codec, h264.windows, h264.sampled_ms) == (Codec.H264, 33, 66_000)
    assert h264.bytes == 1000 + 2 * 3000 + 30 * 300
    assert h265.bytes == 600 + 2 * 1600 + 30 * 160
    assert (h264.crf, h265.crf, h264.deviation > 0) == (23, 28, True)


def test_without_an_encoder_there_is_no_sample() -> None:
    footage = Footage(())
    footage.shown(shot(0, 2000))
    assert footage.samples() == ()


def test_what_moves_takes_more_than_what_rests(tmp_path: Path) -> None:
    pytest.importorskip("av")
    film = write_film(
        tmp_path / "film.mp4", panned(texture(3), (128, 96), [(2 * at, at) for at in range(110)])
    )
    ((first, second),) = measured([film])  # 4.4 s at 25 a second: two whole windows
    for takes in (first, second):
        assert len(takes.moving) == len(takes.still) == len(QUALITIES)
        assert all(moving > still > 0 for moving, still in zip(takes.moving, takes.still, strict=True))
