"""MP4 files that browsers play: H.264, 4:2:0, index first, marked as reconstructed.

    frames --mark--> x264 --mux--> .NAME.part --close: fsync, check, rename--> NAME

A file appears under its final name only when it is complete; on any failure nothing is left.
"""

import json
import os
import weakref
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from cloud.render.mark import TEXT, mark

# With AVX-512, up to one clip in four came out otherwise on a busy virtual machine; with AVX2 none of 2,500.
# Why is not known; registers that are lost when tasks change would do it.
_AVX2 = "asm=sse2,ssse3,sse4.1,sse4.2,avx,avx2"


def _settings() -> dict[str, str]:
    """One thread: the same frames then give the same bytes. `veryfast` costs 3 % in size at these sizes."""
    settings = {"crf": "20", "preset": "veryfast", "threads": "1", "profile": "high"}
    try:
        has_avx512 = "avx512f" in Path("/proc/cpuinfo").read_text("ascii", "replace")
    except OSError:
        has_avx512 = False
    return settings | ({"x264-params": _AVX2} if has_avx512 else {})


_X264 = _settings()
_GOP_SECONDS = 2
_BATCH = 32  # frames marked at once: a minute of stillness is one picture until it is marked

Marker = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


class OutputError(RuntimeError):
    """A file cannot be written; the message names it and says why."""


class Mp4Writer:
    """Writes one MP4; use it as a context manager, leaving it by an exception discards the file.

    `fps` is exact: frame k is shown at k / fps. `provenance` goes into the metadata as JSON.
    `marker` puts the visible mark on frames; only a caller whose frames carry it passes another.
    """

    def __init__(
        self,
        path: Path,
        width: int,
        height: int,
        fps: Fraction,
        title: str,
        provenance: Mapping[str, object],
        marker: Marker = mark,
    ) -> None:
        if width < 2 or height < 2 or width % 2 or height % 2:
            raise OutputError(f"{path}: {width}x{height} pixels, H.264 needs even sides of at least 2")
        self.path = path
        self.frames = 0
        self._marker = marker
        self._size = (height, width)
        self._part = path.with_name(f".{path.name}.{uuid4().hex[:8]}.part")
        # Also where the process is told to end before anybody could enter the context.
        weakref.finalize(self, self._part.unlink, missing_ok=True)
        try:
            self._part.touch(exist_ok=False)  # PyAV opens at the first frame: find out earlier
            self._container = av.open(str(self._part), "w", format="mp4", options={"movflags": "+faststart"})
        except OSError as error:
            raise OutputError(f"{path}: {_reason(error)}") from error
        self._container.metadata["title"] = title
        self._container.metadata["comment"] = json.dumps(provenance, separators=(",", ":"))
        self._container.metadata["description"] = TEXT
        stream = self._container.add_stream("libx264", rate=fps, options=dict(_X264))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = self._tick = 1 / fps
        stream.gop_size = max(1, round(fps * _GOP_SECONDS))
        self._stream = stream

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    def write(self, frames: NDArray[np.uint8]) -> None:
        """Append frames (T, H, W, 3) RGB, marked. Raises OutputError."""
        if frames.ndim != 4 or frames.shape[1:] != (*self._size, 3) or frames.dtype != np.uint8:
            raise OutputError(
                f"{self.path}: frames are {frames.dtype} {frames.shape}, expected (T, {self._size}, 3)"
            )
        try:
            for start in range(0, len(frames), _BATCH):
                for picture in self._marker(frames[start : start + _BATCH]):
                    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                    frame.pts, frame.time_base = self.frames, self._tick
                    self._container.mux(self._stream.encode(frame))
                    self.frames += 1
        except (OSError, av.error.FFmpegError) as error:
            self.discard()
            raise OutputError(f"{self.path}: {_reason(error)}") from error

    def close(self) -> None:
        """Finish the file and give it its name, or raise OutputError and leave nothing."""
        try:
            if self.frames == 0:
                raise OutputError(f"{self.path}: no frame to write")
            self._container.mux(self._stream.encode(None))
            self._container.close()
            self._check()
            self._part.replace(self.path)
        except (OSError, av.error.FFmpegError) as error:
            raise OutputError(f"{self.path}: {_reason(error)}") from error
        finally:
            self.discard()

    def discard(self) -> None:
        """Give up: remove what was written. Harmless after `close`."""
        try:
            self._container.close()
        except (OSError, av.error.FFmpegError):
            pass  # the disk that was full for the frames is full for the index too
        finally:
            self._part.unlink(missing_ok=True)

    def _check(self) -> None:
        """Read the file back: a muxer may report success on a disk that is full."""
        with self._part.open("rb") as file:
            os.fsync(file.fileno())
        with av.open(str(self._part)) as container:
            written = container.streams.video[0].frames
        if written != self.frames:
            raise OutputError(f"{self.path}: {written} of {self.frames} frames reached the disk")


def _reason(error: Exception) -> str:
    """Say what went wrong without naming the temporary file."""
    return getattr(error, "strerror", None) or str(error)
