"""x264 and x265 by PyAV, as a stream would be encoded, and the processor time that it takes.

    pictures (I420) --> one key frame, then the others --> bytes of the elementary stream

PyAV is the extra `meter`; its wheels carry x264 and x265, which are under the GPL.
"""

import threading
import time
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.counterfactual import Quality
from wire.spent import Codec

_MICROSECONDS = 1_000_000
_TASKS = Path("/proc/self/task")
_NAMES = {Codec.H264: "libx264", Codec.H265: "libx265"}
# One thread of its own at most, no key frame but the first; x265 says nothing.
_OPTIONS = {
    Codec.H264: {"x264-params": "threads=1:sync-lookahead=0:keyint=infinite"},
    Codec.H265: {"x265-params": "log-level=none:pools=none:frame-threads=1:keyint=-1"},
}
_LEAST_PX = 64  # of a side: in smaller pictures x265's lookahead writes beyond its buffers

Picture = NDArray[np.uint8]  # (H * 3 / 2, W), I420; H and W even


class VideoError(RuntimeError):
    """There is no such encoder here, or it does not do its work; the message says which."""


def check() -> None:
    """Raise VideoError where video cannot be encoded."""
    try:
        import av
    except ImportError as error:
        raise VideoError("PyAV is not installed: pip install 'mirage-video[meter]'") from error
    for name in _NAMES.values():
        if name not in av.codecs_available:
            raise VideoError(f"PyAV was built without {name}")


def i420(bgr: NDArray[np.uint8]) -> Picture:
    """Turn a picture (H, W[, 3]) into what is encoded; of odd sides the last row is left out."""
    if bgr.ndim == 2:
        bgr = np.repeat(bgr[..., None], 3, axis=2)
    even = np.ascontiguousarray(bgr[: bgr.shape[0] // 2 * 2, : bgr.shape[1] // 2 * 2])
    return np.asarray(cv2.cvtColor(even, cv2.COLOR_BGR2YUV_I420), np.uint8)


class Encoder:
    """Encodes one window of pictures of `width` by `height`, both even. Raises VideoError."""

    def __init__(self, codec: Codec, quality: Quality, width: int, height: int, fps: float) -> None:
        import av
        from av.video.codeccontext import VideoCodecContext

        if min(width, height) < _LEAST_PX:
            raise VideoError(f"pictures of {width}x{height} are too small: a side has {_LEAST_PX} at least")
        self.bytes = 0
        self._clock = CpuClock()
        self._name = _NAMES[codec]
        context = av.CodecContext.create(self._name, "w")
        if not isinstance(context, VideoCodecContext):
            raise VideoError(f"{self._name}: is no video encoder")
        context.width, context.height, context.pix_fmt = width, height, "yuv420p"
        context.time_base = Fraction(1, _MICROSECONDS)
        context.framerate = Fraction(fps).limit_denominator(1001)
        context.thread_count = 1
        context.options = {"preset": quality.preset, "crf": str(quality.crf)} | _OPTIONS[codec]
        self._context: VideoCodecContext | None = context  # its threads end with it
        try:
            context.open()
        except av.FFmpegError as error:
            raise VideoError(f"{self._name}: {width}x{height}, {quality}: {error}") from error

    def add(self, picture: Picture, at_us: int) -> None:
        """Encode the next picture."""
        self._encode((picture, at_us))

    def finish(self) -> int:
        """Encode what is left, and give the bytes of all."""
        self._encode(None)
        return self.bytes

    def cost_s(self) -> float:
        """Give the processor time so far, in seconds of a core, of all threads of the encoder."""
        return self._clock.seconds()

    def close(self) -> None:
        """Let go of the encoder and its threads."""
        self._context = None

    def _encode(self, picture: tuple[Picture, int] | None) -> None:
        import av

        if self._context is None:
            raise VideoError(f"{self._name}: is closed")
        try:
            frame = None
            if picture is not None:
                frame = av.VideoFrame.from_ndarray(picture[0], format="yuv420p")
                frame.pts = picture[1]
            self.bytes += sum(packet.size for packet in self._context.encode(frame))
        except (av.FFmpegError, ValueError) as error:
            raise VideoError(f"{self._name}: {error}") from error


class CpuClock:
    """Processor time of this thread, and of all that began since and are not Python's; starts at once.

    Where the kernel does not tell it by thread (Linux does), that of the whole process: never too little.
    """

    def __init__(self) -> None:
        self._others = _threads()
        self._thread_s = time.thread_time()
        self._process_s = time.process_time()

    def seconds(self) -> float:
        now = _threads()
        if not now:
            return time.process_time() - self._process_s
        python = {each.native_id for each in threading.enumerate()}
        begun = now - self._others - python
        return time.thread_time() - self._thread_s + sum(map(_ran_s, begun))


def _threads() -> set[int]:
    try:
        return {int(path.name) for path in _TASKS.iterdir()}
    except OSError:
        return set()


def _ran_s(thread: int) -> float:
    try:
        return int((_TASKS / str(thread) / "schedstat").read_text("ascii").split()[0]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0
