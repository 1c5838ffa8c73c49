"""The demo's two films: the clips joined into one, and source and reconstruction side by side."""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av
import av.error
import cv2
import numpy as np
from numpy.typing import NDArray

from cloud.render.mark import TEXT
from cloud.render.mp4 import Mp4Writer
from edge.capture import open_capture, position_us
from mirage.errors import InputError, OutputError

_GUTTER_PX = 4
_REORDER = 4  # frames; x264 with a pyramid of B-frames needs 2


def join_clips(clips: Sequence[Path], output: Path, title: str) -> None:
    """Put MP4s of one size and rate behind each other without encoding anew. Raises OutputError.

    The film's metadata holds the provenance of every clip.
    """
    partial = output.with_name(f".{output.name}.partial")
    try:
        with av.open(str(partial), "w", format="mp4", options={"movflags": "+faststart"}) as joined:
            joined.metadata.update(_metadata(clips, title))
            _append_all(clips, joined)
        partial.replace(output)
    except (OSError, av.error.FFmpegError) as error:
        raise OutputError(f"{output}: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def _metadata(clips: Sequence[Path], title: str) -> dict[str, str]:
    statements = []
    for clip in clips:
        with av.open(str(clip)) as container:
            statements.append(json.loads(container.metadata.get("comment", "null")))
    made = json.dumps({"notice": TEXT, "clips": statements}, separators=(",", ":"))
    return {"title": title, "comment": made, "description": TEXT}


def _append_all(clips: Sequence[Path], joined: "av.container.OutputContainer") -> None:
    stream: av.VideoStream | None = None
    frames = 0
    for clip in clips:
        with av.open(str(clip)) as container:
            source = container.streams.video[0]
            if source.time_base is None or source.average_rate is None:
                raise OutputError(f"{clip}: no frame rate")
            if stream is None:
                stream = joined.add_stream_from_template(source)
                stream.time_base = source.time_base
            period = round(1 / (source.average_rate * source.time_base))
            offset = frames * period
            for packet in container.demux(source):
                if packet.pts is None:
                    continue  # demux ends with an empty packet
                packet.pts += offset
                # Counted, because clips of few frames reorder less and would make it go backwards.
                packet.dts = (frames - _REORDER) * period
                packet.stream = stream
                joined.mux(packet)
                frames += 1


def side_by_side(source: str, reconstruction: Path, output: Path, provenance: Mapping[str, object]) -> None:
    """Write source (left) and reconstruction (right), frame by frame at the same moments.

    The reconstruction's half carries its mark; the source's half is scaled to it. Raises OutputError.
    """
    with av.open(str(reconstruction)) as container:
        stream = container.streams.video[0]
        rate = Fraction(stream.average_rate or 25)
        height, width = stream.height, stream.width
        originals = _frames_at(source, rate, width, height)
        gutter = np.zeros((height, _GUTTER_PX, 3), np.uint8)
        size = (2 * width + _GUTTER_PX, height)
        title = "source | reconstruction"
        with Mp4Writer(output, *size, rate, title, provenance, marker=_as_it_is) as writer:
            for frame, original in zip(container.decode(stream), originals, strict=False):
                dreamt = frame.to_ndarray(format="rgb24")
                writer.write(np.concatenate([original, gutter, dreamt], axis=1)[None])


def _as_it_is(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return frames


def _frames_at(source: str, rate: Fraction, width: int, height: int) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames (height, width, 3) shown at 0, 1/rate, 2/rate ... s; the last one for ever."""
    capture = open_capture(source.removeprefix("file://"), [cv2.CAP_FFMPEG, cv2.CAP_ANY])
    if capture is None:
        raise InputError(f"{source}: cannot be read a second time")
    shown = np.zeros((height, width, 3), np.uint8)
    first_us: int | None = None
    tick = 0
    while capture.grab():
        at_us = position_us(capture)
        first_us = at_us if first_us is None else first_us
        # A frame is shown until the next one's time, half a millisecond of rounding aside.
        while tick * 1_000_000 / rate < at_us - first_us - 500:
            yield shown
            tick += 1
        decoded, bgr = capture.retrieve()
        if decoded and bgr is not None:
            small = cv2.resize(bgr, (width, height), interpolation=cv2.INTER_AREA)
            shown = np.ascontiguousarray(np.asarray(small, np.uint8)[..., ::-1])
    capture.release()
    while True:
        yield shown
