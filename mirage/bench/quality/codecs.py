"""AV1 and H.265 as competitors: raw streams through PyAV, and the bytes that they cannot do without.

    frames --BT.601 4:2:0--> encoder --packets--> decoder --> frames
                                        '--> payload: slices and tile groups only

Sequence headers and parameter sets, start codes and temporal delimiters are not counted, as our invariants
travel in the birth and not in packets; a container is not there at all.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal, cast

import av
import cv2
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream
from numpy.typing import NDArray

Frames = NDArray[np.uint8]  # (T, H, W, 3), RGB; H and W even and at least 16
_PICTURE_OBUS = (3, 4, 6)  # frame header, tile group, frame
_LAST_VCL_NAL = 31
_LOOKAHEAD_PX = (
    64  # width; in narrower pictures x265's lookahead writes beyond its buffers (seen: 36x64, 48x28)
)


class CodecError(RuntimeError):
    """An encoder or decoder did not do its work; the message names it."""


@dataclass(frozen=True, slots=True)
class Coder:
    """An encoder with its widest range of quality: 0 best, `worst_crf` smallest."""

    name: str
    encoder: str
    decoder: str
    worst_crf: int


AV1 = Coder("AV1", "libsvtav1", "libdav1d", 70)  # beyond 63 only SVT-AV1's own option goes
X265 = Coder("x265", "libx265", "hevc", 51)
CODERS = (AV1, X265)


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """A coded sequence; `payload_bytes` is what counts."""

    packets: tuple[bytes, ...]
    payload_bytes: int


def encode(coder: Coder, frames: Frames, fps: Fraction, crf: int) -> Coded:
    """Encode with one key frame at the start, single-threaded, slowest sensible preset."""
    os.environ.setdefault("SVT_LOG", "1")  # errors only
    height, width = frames.shape[1:3]
    context = _context(coder.encoder, "w")
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.time_base, context.framerate = 1 / fps, fps
    context.options = _options(coder, crf, width)
    packets: list[bytes] = []
    try:
        context.open()
        _yield_to_others()
        for number, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(
                cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420), format="yuv420p"
            )
            picture.pts = number
            packets += map(bytes, context.encode(picture))
        packets += map(bytes, context.encode(None))
    except av.FFmpegError as error:
        raise CodecError(f"{coder.encoder}: {width}x{height}, CRF {crf}: {error}") from error
    return Coded(tuple(packets), sum(payload_bytes(coder, packet) for packet in packets))


def decode(coder: Coder, coded: Coded) -> Frames:
    """Decode to frames (T, H, W, 3), in the order in which they are shown."""
    context = _context(coder.decoder, "r")
    shown: list[Frames] = []
    try:
        for packet in (*coded.packets, None):
            for picture in context.decode(None if packet is None else _padded(packet)):
                planes = picture.to_ndarray(format="yuv420p")
                shown.append(np.asarray(cv2.cvtColor(planes, cv2.COLOR_YUV2RGB_I420), np.uint8))
    except av.FFmpegError as error:
        raise CodecError(f"{coder.decoder}: {error}") from error
    if not shown:
        raise CodecError(f"{coder.decoder}: gave no picture")
    return np.stack(shown)


def _padded(data: bytes) -> "av.Packet[VideoStream]":
    """Copy a packet to where decoders may read beyond its end, as FFmpeg's do; bytes have no room."""
    packet = cast("av.Packet[VideoStream]", av.Packet(len(data)))
    packet.update(data)
    return packet


def payload_bytes(coder: Coder, packet: bytes) -> int:
    """Count what carries pictures: AV1 frames and tile groups, H.265 slices."""
    if coder is AV1:
        return sum(size for kind, size in _obus(packet) if kind in _PICTURE_OBUS)
    return sum(len(nal) for nal in _nals(packet) if nal[0] >> 1 & 63 <= _LAST_VCL_NAL)


def _context(name: str, mode: Literal["r", "w"]) -> VideoCodecContext:
    try:
        context = av.CodecContext.create(name, mode)
    except av.FFmpegError as error:
        raise CodecError(f"{name}: this PyAV was built without it") from error
    if not isinstance(context, VideoCodecContext):
        raise CodecError(f"{name}: is no video codec")
    context.thread_count = 1
    return context


def _yield_to_others() -> None:
    """Take back the real-time priority that SVT-AV1 gives to every thread where root runs it."""
    if not hasattr(os, "sched_setscheduler"):
        return
    for thread in Path("/proc/self/task").glob("*"):
        with contextlib.suppress(ProcessLookupError):
            if os.sched_getscheduler(int(thread.name)) != os.SCHED_OTHER:
                os.sched_setscheduler(int(thread.name), os.SCHED_OTHER, os.sched_param(0))


def _options(coder: Coder, crf: int, width: int) -> dict[str, str]:
    if coder is AV1:
        return {"preset": "4", "crf": str(min(crf, 63)), "svtav1-params": f"crf={crf}:lp=1:keyint=-1"}
    private = "log-level=none:info=0:pools=none:frame-threads=1:keyint=-1"
    if width < _LOOKAHEAD_PX:
        private += ":bframes=0:rc-lookahead=0"
    return {"preset": "slower", "crf": str(crf), "x265-params": private}


def _obus(packet: bytes) -> Iterator[tuple[int, int]]:
    """Yield type and size, header included, of each open bitstream unit (AV1 5.3.2)."""
    offset = 0
    while offset < len(packet):
        head = packet[offset]
        header = 2 if head & 4 else 1
        size, shift = len(packet) - offset - header, 0
        if head & 2:
            size, start = 0, offset + header
            while True:
                byte = packet[offset + header]
                size |= (byte & 127) << shift
                header, shift = header + 1, shift + 7
                if byte < 128 or offset + header - start >= 8:
                    break
        yield head >> 3 & 15, header + size
        offset += header + size


def _nals(packet: bytes) -> Sequence[bytes]:
    """Split an Annex B stream at its start codes."""
    parts = packet.split(b"\0\0\1")[1:]
    return [part.rstrip(b"\0") if part is not parts[-1] else part for part in parts if part]
