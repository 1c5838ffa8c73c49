"""Clips cut into fragments: read back with the libraries that players use."""

import io
from fractions import Fraction

import av
import numpy as np
import pytest

from cloud.hls.boxes import BoxError, at_time, base_time, boxes, split
from cloud.hls.film import Film, FilmError, cut, hold
from cloud.render.mark import TEXT
from tests.cloud.hls.cinema import RATE, clip, still, walls


def played(film: Film, *fragments: bytes) -> list[tuple[Fraction, int]]:
    """Decode an init and fragments: when each picture is shown (s), and how bright it is below the mark.

    FFmpeg begins a little late where decoding is out of order: it wants no picture before its decoding time.
    """
    with av.open(io.BytesIO(film.init + b"".join(fragments)), "r") as source:
        frames = list(source.decode(video=0))
    late = (frames[0].pts or 0) - base_time(fragments[0])
    assert 0 <= late <= 2 * frames[0].duration
    return [
        (
            Fraction((frame.pts or 0) - late) * (frame.time_base or 1),
            round(float(frame.to_ndarray(format="gray")[20:].mean())),
        )
        for frame in frames
    ]


def test_pieces_are_two_seconds_and_the_rest() -> None:
    film = cut(clip(20, 45))
    assert [Fraction(piece.ticks, film.timescale) for piece in film.pieces] == [2, 2, Fraction(1, 2)]
    assert all(base_time(piece.data) == 0 for piece in film.pieces)


def test_scenes_do_not_make_pieces_short() -> None:
    scenes = [*range(20, 26), *range(200, 203), *range(90, 101), *range(10, 25)]
    film = cut(walls(tuple(scenes)))
    assert [Fraction(piece.ticks, film.timescale) for piece in film.pieces] == [2, Fraction(3, 2)]
    assert [len(played(film, piece.data)) for piece in film.pieces] == [20, 15]


def test_all_frames_come_back_in_order_and_in_time() -> None:
    film = cut(clip(20, 45))
    start, fragments = 7 * film.timescale, []
    for piece in film.pieces:
        fragments.append(at_time(piece.data, start))
        start += piece.ticks
    frames = played(film, *fragments)
    assert [time for time, _ in frames] == [7 + Fraction(index) / RATE for index in range(45)]
    levels = np.array([level for _, level in frames])
    assert np.abs(levels - (20 + np.arange(45))).max() <= 2


def test_every_piece_is_decodable_by_itself() -> None:
    film = cut(clip(20, 45))
    assert [len(played(film, piece.data)) for piece in film.pieces] == [20, 20, 5]


def test_clips_of_the_same_size_and_rate_share_their_init() -> None:
    assert cut(clip(20, 45)).init == cut(clip(90, 12)).init == cut(still(50, 600)).init
    assert cut(clip(20, 45)).init_id != cut(clip(20, 45, width=96)).init_id
    assert cut(clip(20, 45)).init_id != cut(clip(20, 45, rate=Fraction(25))).init_id


def test_fragments_of_different_clips_play_as_one_film() -> None:
    one, other = cut(clip(20, 20)), cut(clip(120, 15))
    frames = played(one, one.pieces[0].data, at_time(other.pieces[0].data, one.pieces[0].ticks))
    assert [time for time, _ in frames] == [Fraction(index) / RATE for index in range(35)]
    assert abs(frames[19][1] - 39) <= 2
    assert abs(frames[20][1] - 120) <= 2


def test_a_rate_that_is_no_whole_number_is_kept() -> None:
    film = cut(clip(20, 75, rate=Fraction(30000, 1001)))
    assert film.rate == Fraction(30000, 1001)
    assert sum(Fraction(piece.ticks, film.timescale) for piece in film.pieces) == Fraction(75 * 1001, 30000)


def test_a_picture_that_lasts_long_is_repeated() -> None:
    film = cut(clip(20, 3, rate=Fraction(1, 5)))
    assert len(film.pieces) == 9
    assert sum(piece.ticks for piece in film.pieces) == 15 * film.timescale
    assert max(piece.ticks for piece in film.pieces) <= 2.5 * film.timescale
    levels = [played(film, piece.data)[0][1] for piece in film.pieces]
    assert np.abs(np.array(levels) - [20, 20, 20, 21, 21, 21, 22, 22, 22]).max() <= 2


def test_the_last_picture_is_held_with_the_same_init() -> None:
    film = cut(clip(20, 45))
    held = hold(film)
    assert held.init_id == film.init_id
    (piece,) = held.pieces
    assert Fraction(piece.ticks, held.timescale) == 2
    frames = played(film, piece.data)
    assert len(frames) == 20
    assert all(abs(level - 64) <= 2 for _, level in frames)


def test_the_film_says_that_it_is_reconstructed() -> None:
    with av.open(io.BytesIO(cut(clip(20, 5)).init), "r") as source:
        assert source.metadata["description"] == TEXT


@pytest.mark.parametrize("data", [b"", b"no film", clip(20, 5)[:200]])
def test_what_is_no_clip_is_refused(data: bytes) -> None:
    with pytest.raises(FilmError):
        cut(data)


def test_every_prefix_of_a_fragment_is_refused() -> None:
    data = cut(clip(20, 5)).pieces[0].data
    end = next(box.end for box in boxes(data) if box.kind == b"moof")
    for length in range(end):
        with pytest.raises(BoxError):
            at_time(data[:length], 1)


def test_a_box_that_says_too_much_or_too_little_is_refused() -> None:
    with pytest.raises(BoxError, match="says 9 bytes, 8 are left"):
        split(b"\x00\x00\x00\x09moof")
    with pytest.raises(BoxError, match="says 0 bytes"):
        split(b"\x00\x00\x00\x00moof")
