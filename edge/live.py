"""A camera that has no end of its own and may vanish at any moment."""

from collections.abc import Callable, Iterator
from threading import Event

import cv2
import structlog

from edge.backoff import Backoff
from edge.capture import Sampler, open_capture, position_us, source_info
from edge.clock import StreamClock
from edge.frame import CameraError, Frame

log = structlog.get_logger()


class LiveCamera:
    """A camera without an end: when it vanishes it is opened again, for as long as it takes."""

    def __init__(self, source: str, sampler: Sampler, stop: Event, now_us: Callable[[], int]) -> None:
        self._source = source
        self._sampler = sampler
        self._stop = stop
        self._now_us = now_us
        self._clock = StreamClock()
        self.attempts = 0  # to open it
        self._capture = self._open()
        if self._capture is None:
            raise CameraError(f"{source}: camera does not answer")
        self.info = source_info(source, self._capture, live=True)
        self.end_us = now_us()
        self.frames_read = 0

    def __iter__(self) -> Iterator[Frame]:
        resumed = False
        while not self._stop.is_set():
            for frame in self._until_it_vanishes():
                yield Frame(frame.captured_us, frame.rgb, resumed)
                resumed = False
            if not self._stop.is_set():
                resumed = self._reconnect() or resumed
        self.close()

    def close(self) -> None:
        if self._capture is not None:
            self._capture.release()
            self._capture = None

    def _until_it_vanishes(self) -> Iterator[Frame]:
        period_us = round(1e6 / self.info.fps)
        grabbed = self._capture is not None
        while grabbed and self._capture is not None and not self._stop.is_set():
            captured_us = self._clock.place(position_us(self._capture), self._now_us())
            self.frames_read += 1
            self.end_us = captured_us + period_us
            rgb = self._sampler.take(self._capture, captured_us)
            if rgb is not None:
                yield Frame(captured_us, rgb)
            grabbed = self._capture.grab()

    def _reconnect(self) -> bool:
        log.warning("camera vanished", source=self._source)
        self.close()
        backoff = Backoff(first_s=0.5, limit_s=15.0)
        while not self._stop.wait(backoff.next_delay_s()):
            self._capture = self._open()
            if self._capture is not None:
                self._clock.restart()
                log.info("camera is back", source=self._source)
                return True
        return False

    def _open(self) -> cv2.VideoCapture | None:
        self.attempts += 1
        source = f"/dev/video{self._source}" if self._source.isdigit() else self._source
        if " ! " in source:
            capture = open_capture(source, [cv2.CAP_GSTREAMER])
        elif source.startswith("/dev/"):
            capture = open_capture(source, [cv2.CAP_V4L2])
        else:
            capture = open_capture(source, [cv2.CAP_FFMPEG, cv2.CAP_GSTREAMER])
        if capture is not None and not capture.grab():
            capture.release()
            return None
        return capture
