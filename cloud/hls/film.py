"""A clip's MP4 becomes an init segment and fragments (CMAF), without being encoded again.

    clip  | IDR . . . . . | IDR . . IDR . | IDR . .      cut before keyframes, which are at most 2 s apart
    film    piece 0         piece 1         piece 2      each is decodable by itself, and begins at time 0

A picture that is shown for longer (less than a frame in two seconds) is repeated, so that no piece is longer.
Clips of the same size and rate have the same init segment, which the hash of its bytes names.
"""

import hashlib
import io
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import av.error
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

from cloud.hls.boxes import BoxError, at_time, base_time, split
from cloud.hls.groups import PIECE_S, GroupError, VideoPacket, grouped, ticks_of
from cloud.render.mark import TEXT
from cloud.render.mp4 import Mp4Writer, OutputError

TIMESCALE = 90_000  # of all films: FFmpeg's HLS client keeps to that of the first init segment
_MUXER = {
    "movflags": "cmaf+frag_keyframe+empty_moov+skip_trailer",
    "video_track_timescale": str(TIMESCALE),
    "write_btrt": "0",  # the bit rate would tell the inits of two clips apart
}


class FilmError(ValueError):
    """A clip cannot be cut into fragments."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One fragment, beginning at time 0, and how long it lasts in ticks."""

    data: bytes
    ticks: int


@dataclass(frozen=True, slots=True)
class Film:
    """A clip cut into pieces; `timescale` is ticks per second, `rate` frames, `init_id` names `init`."""

    init: bytes
    init_id: str
    timescale: int
    rate: Fraction
    pieces: tuple[Piece, ...]

    @property
    def size(self) -> int:
        """Count its bytes."""
        return len(self.init) + sum(len(piece.data) for piece in self.pieces)


def cut(clip: bytes) -> Film:
    """Cut a clip as `cloud.render.mp4` writes them. Raises FilmError."""
    film = io.BytesIO()
    try:
        with av.open(io.BytesIO(clip), "r") as source:
            stream = source.streams.video[0]
            timescale, rate = _timescale(stream), stream.average_rate
            if rate is None:
                raise FilmError(f"a clip of {len(clip)} bytes has no frame rate")
            packets = [packet for packet in source.demux(stream) if packet.size]
            whole = round(Fraction(ticks_of(packets) * TIMESCALE, timescale))
            groups = grouped(packets, timescale, stream.codec_context.extradata or b"")
            _write(film, stream, [packet for group in groups for packet in group])
        init, fragments = split(film.getvalue())
        pieces = _pieces(fragments, whole)
    except (IndexError, OSError, BoxError, GroupError, av.error.FFmpegError) as error:
        raise FilmError(f"a clip of {len(clip)} bytes cannot be cut: {error}") from error
    if len(pieces) != len(groups):
        raise FilmError(f"{len(pieces)} fragments were made of {len(groups)} groups of pictures")
    return Film(init, hashlib.sha256(init).hexdigest()[:16], TIMESCALE, rate, tuple(pieces))


def hold(film: Film) -> Film:
    """Make one piece that shows the last picture of a film, as it is, for PIECE_S. Raises FilmError."""
    try:
        with av.open(io.BytesIO(film.init + film.pieces[-1].data), "r") as source:
            picture = None
            for frame in source.decode(video=0):
                picture = frame
        if picture is None:
            raise FilmError("a piece without a picture")
        rgb = np.asarray(picture.to_ndarray(format="rgb24"), np.uint8)
        with tempfile.TemporaryDirectory(prefix="mirage-hold-") as folder:
            path = Path(folder) / "hold.mp4"
            with Mp4Writer(path, picture.width, picture.height, film.rate, TEXT, {}, _as_it_is) as writer:
                writer.write(np.broadcast_to(rgb, (max(round(film.rate * PIECE_S), 1), *rgb.shape)))
            held = cut(path.read_bytes())
    except (OSError, OutputError, av.error.FFmpegError) as error:
        raise FilmError(f"the last picture of a clip cannot be held: {error}") from error
    return replace(held, pieces=held.pieces[:1])


def _write(film: io.BytesIO, template: VideoStream, packets: Sequence[VideoPacket]) -> None:
    with av.open(film, "w", format="mp4", options=dict(_MUXER)) as sink:
        sink.metadata["description"] = TEXT
        stream = sink.add_stream_from_template(template)
        for packet in packets:
            packet.stream = stream
            sink.mux(packet)


def _as_it_is(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return frames  # a clip's pictures carry the mark


def _timescale(stream: VideoStream) -> int:
    base = stream.time_base
    if base is None or base.numerator != 1:
        raise FilmError(f"a clip whose time counts in {base} s")
    return base.denominator


def _pieces(fragments: Sequence[bytes], whole: int) -> list[Piece]:
    """Measure fragments, which follow one another, and have each begin at 0; `whole` is the film in ticks."""
    times = [base_time(fragment) for fragment in fragments]
    if not times:
        raise FilmError("a clip without a fragment")
    ends = [*times[1:], times[0] + whole]
    return [
        Piece(at_time(fragment, 0), end - begin)
        for fragment, begin, end in zip(fragments, times, ends, strict=True)
    ]
