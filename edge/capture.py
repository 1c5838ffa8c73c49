"""The thin layer over OpenCV's VideoCapture: opening it quietly, reading a clock, sampling pictures."""

import os
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.frame import CameraError, SourceInfo

TIMEOUT_MS = 5000  # a network camera that is silent this long has vanished
_DECODE_THREADS = 1  # a second one costs 40 % more work in all, and the encoders need the other core
_NOMINAL_FPS = 25.0  # where the container names no believable rate


class Tap(Protocol):
    """Wants all pictures now and then, as they are."""

    def wants(self, at_us: int) -> bool:
        """Tell whether the picture of this time is wanted."""
        ...

    def give(self, bgr: NDArray[np.uint8], at_us: int, began_s: float) -> None:
        """Take it, (H, W[, 3]); decoding it began at `began_s` of the thread's time."""
        ...


class Sampler:
    """Picks frames at a steady rate of capture time and scales them down; `tap` sees what it wants."""

    def __init__(
        self, sample_fps: float, short_side_px: int | Callable[[], int], tap: Tap | None = None
    ) -> None:
        self._tap = tap
        self._period_us = 1e6 / sample_fps
        self._short_side_px = short_side_px
        self._due_us: float | None = None

    def take(self, capture: cv2.VideoCapture, captured_us: int) -> NDArray[np.uint8] | None:
        """Convert the grabbed picture to RGB (H, W, 3); None where it is not due or is damaged."""
        due = self._due_us is None or captured_us >= self._due_us
        wanted = self._tap is not None and self._tap.wants(captured_us)
        if not due and not wanted:
            return None
        began_s = time.thread_time()
        decoded, bgr = capture.retrieve()
        if not decoded or bgr is None or bgr.size == 0:
            return None
        if self._tap is not None and wanted:
            self._tap.give(np.asarray(bgr, np.uint8), captured_us, began_s)
        if not due:
            return None
        due_us = captured_us if self._due_us is None else self._due_us
        late = captured_us >= due_us + self._period_us  # after a pause: no burst to catch up
        self._due_us = (captured_us if late else due_us) + self._period_us
        side_px = self._short_side_px
        return shrink(np.asarray(bgr, np.uint8), side_px() if callable(side_px) else side_px)


def shrink(bgr: NDArray[np.uint8], short_side_px: int) -> NDArray[np.uint8]:
    """Scale BGR or gray (H, W[, 3]) down until its short side fits; returns RGB (h, w, 3)."""
    if bgr.ndim == 2:
        bgr = np.repeat(bgr[..., None], 3, axis=2)
    short = min(bgr.shape[:2])
    if short > short_side_px:
        scale = short_side_px / short
        size = (max(round(bgr.shape[1] * scale), 1), max(round(bgr.shape[0] * scale), 1))
        # By a whole number first, which is several times faster and averages the same pixels.
        whole = _shrink_by(bgr, max(short // (2 * short_side_px), 1))
        bgr = np.asarray(cv2.resize(whole, size, interpolation=cv2.INTER_AREA), np.uint8)
    return np.ascontiguousarray(bgr[..., ::-1])


def _shrink_by(bgr: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    if factor == 1:
        return bgr
    height, width = bgr.shape[0] // factor, bgr.shape[1] // factor
    inside = bgr[: height * factor, : width * factor]
    return np.asarray(cv2.resize(inside, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def open_capture(source: str, backends: Sequence[int]) -> cv2.VideoCapture | None:
    """Open a source with the first backend that can, or return None."""
    # FFmpeg writes several lines of its own for every bad file; the error below is one.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    for backend in backends:
        parameters = []
        if backend == cv2.CAP_FFMPEG:
            parameters = [cv2.CAP_PROP_N_THREADS, _DECODE_THREADS]
            if "://" in source:
                parameters += [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, TIMEOUT_MS]
                parameters += [cv2.CAP_PROP_READ_TIMEOUT_MSEC, TIMEOUT_MS]
        capture = cv2.VideoCapture(source, backend, parameters)
        if capture.isOpened():
            capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
            return capture
        capture.release()
    return None


def source_info(source: str, capture: cv2.VideoCapture, *, live: bool) -> SourceInfo:
    """Describe a capture by the picture it just grabbed; raises CameraError where that is damaged."""
    decoded, bgr = capture.retrieve()
    if not decoded or bgr is None or bgr.size == 0:
        raise CameraError(f"{source}: no frame can be decoded")
    rate = float(capture.get(cv2.CAP_PROP_FPS))
    fps = rate if 0.05 <= rate <= 1000 else _NOMINAL_FPS
    count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    frames = count if count > 0 and not live else None
    duration_s = frames / fps if frames else None
    return SourceInfo(bgr.shape[1], bgr.shape[0], fps, duration_s, frames, live)


def position_us(capture: cv2.VideoCapture) -> int:
    """Read the container's timestamp of the grabbed picture."""
    return max(round(capture.get(cv2.CAP_PROP_POS_MSEC) * 1000), 0)
