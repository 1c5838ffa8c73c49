"""Frames from a file or a live camera, through OpenCV.

    file                  "clip.mp4"              ends; damage is an error that names the file
    network stream        "rtsp://...", "http://" live: retried with backoff when it vanishes
    V4L2                  "/dev/video0" or "0"    live
    GStreamer pipeline    "... ! appsink"         live

Every frame is decoded, but only about `sample_fps` of them are converted and scaled down:
nothing after this module looks at more, and conversion costs as much as decoding.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import cv2
import structlog

from edge.capture import Sampler, Tap, open_capture, position_us, source_info
from edge.clock import BootClock
from edge.frame import Camera, CameraError, Frame, SourceInfo
from edge.live import LiveCamera

__all__ = [
    "Camera",
    "CameraError",
    "FileCamera",
    "Frame",
    "LiveCamera",
    "SourceInfo",
    "is_live",
    "open_camera",
]

SAMPLE_FPS = 8.0
SHORT_SIDE_PX = 160  # what the bundle's encoders look at; a caller with a bundle passes its own
_LONGEST_PAUSE_US = 3_600_000_000  # a jump beyond this is a damaged timestamp

log = structlog.get_logger()


def open_camera(
    source: str,
    *,
    sample_fps: float = SAMPLE_FPS,
    short_side_px: int | Callable[[], int] = SHORT_SIDE_PX,
    stop: Event | None = None,
    now_us: Callable[[], int] | None = None,
    tap: Tap | None = None,
) -> Camera:
    """Open a source and decode its first picture, or raise CameraError.

    `stop` ends the iteration of either kind soon after it is set; `now_us` is the boot clock of
    a live camera (default: starts now). `tap` is shown the pictures that it wants. `short_side_px` may change
    while the camera runs: then it is asked for each frame.
    """
    sampler = Sampler(sample_fps, short_side_px, tap)
    ending = stop or Event()
    if is_live(source):
        return LiveCamera(source, sampler, ending, now_us or BootClock.start().now_us)
    return FileCamera(source, sampler, ending)


def is_live(source: str) -> bool:
    """Whether the source has no end of its own and is retried when it vanishes."""
    scheme = source.split("://", 1)[0] if "://" in source else ""
    pipeline = " ! " in source
    return pipeline or source.isdigit() or source.startswith("/dev/") or scheme not in ("", "file")


class FileCamera:
    """A video file: every timestamp from its container, ends with its last frame."""

    def __init__(self, source: str, sampler: Sampler, stop: Event) -> None:
        path = source.removeprefix("file://")
        if not Path(path).is_file():
            raise CameraError(f"{source}: no such file")
        self._source = source
        self._sampler = sampler
        self._stop = stop
        self.attempts = 1
        self._capture = open_capture(path, [cv2.CAP_FFMPEG, cv2.CAP_ANY])
        if self._capture is None:
            raise CameraError(f"{source}: not a video, or cut off before its index")
        if not self._capture.grab():
            raise CameraError(f"{source}: no frame can be decoded")
        self.info = source_info(source, self._capture, live=False)
        self.end_us = 0
        self.frames_read = 0

    def __iter__(self) -> Iterator[Frame]:
        capture = self._capture
        if capture is None:
            return
        period_us = round(1e6 / self.info.fps)
        captured_us, first_us = -1, position_us(capture)
        grabbed = True
        while grabbed and not self._stop.is_set():
            since_us = position_us(capture) - first_us
            if self.frames_read and not 0 < since_us - captured_us < _LONGEST_PAUSE_US:
                since_us = captured_us + period_us
            captured_us = since_us
            self.frames_read += 1
            self.end_us = captured_us + period_us
            rgb = self._sampler.take(capture, captured_us)
            if rgb is not None:
                yield Frame(captured_us, rgb)
            grabbed = capture.grab()
        self._report_damage()
        self.close()

    def close(self) -> None:
        if self._capture is not None:
            self._capture.release()
            self._capture = None

    def _report_damage(self) -> None:
        promised = self.info.frames or 0
        # Matroska's count is an estimate from the duration, hence the tenth.
        if not self._stop.is_set() and self.frames_read < 0.9 * promised:
            log.warning("file ends early", source=self._source, frames=self.frames_read, promised=promised)
