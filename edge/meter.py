"""Encodes sampled windows of what cameras see as video, beside all else, to know what that would have taken.

    capture-NAME --wants? give--> Tap --at most QUEUE_BYTES--> thread "meter": x264, x265 --> Rates

One window at a time, of one camera and one codec. Where its pictures come faster than they can be encoded
and the queue is full, it is given up; so it is where it would take more than its share of the processor.
"""

import queue
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Event, Lock

import numpy as np
import structlog
from numpy.typing import NDArray

from edge.counterfactual import WINDOW_S, Pace, Quality, Rates
from edge.frame import SourceInfo
from edge.video import Encoder, Picture, VideoError, i420
from wire.spent import Codec, Sample

QUEUE_BYTES = 96 << 20
_POLL_S = 0.2
_STALE_S = 10.0  # a camera that shows nothing for so long in its window has vanished

log = structlog.get_logger()


@dataclass(slots=True)
class _Window:
    """What is sampled now. `first_us` is None until its first picture has come."""

    camera: str
    codec: Codec
    begun_s: float
    first_us: int | None = None
    last_us: int = 0
    pictures: int = 0
    given_s: float = 0.0  # of a core, to get at the pictures
    failed: str = ""
    complete: bool = False


class Meter:
    """`tap` may be called by the capture threads, `samples` by any; `run` is the thread "meter"."""

    def __init__(self, cameras: Sequence[str], qualities: Mapping[Codec, Quality], share: float) -> None:
        self._qualities = qualities
        self._turns = deque((camera, codec) for camera in cameras for codec in qualities)
        self._pace = Pace(share, time.monotonic())
        self._rates = {turn: Rates() for turn in self._turns}
        self._lock = Lock()
        self._window: _Window | None = None
        self._queue: queue.Queue[tuple[Picture, int]] = queue.Queue()
        self._queued = 0  # bytes
        self._infos: dict[str, SourceInfo] = {}
        self.given_up = Counter[str]()  # windows, by reason

    @property
    def spent_s(self) -> float:
        """Seconds of a core that encoding has taken."""
        return self._pace.spent_s

    def tap(self, camera: str) -> "Tap":
        """Give what a camera shows its pictures to."""
        return Tap(self, camera)

    def samples(self, place: Callable[[str], int | None]) -> tuple[Sample, ...]:
        """Write what was found out, of cameras that have a place in the birth."""
        found = list[Sample]()
        with self._lock:
            for (camera, codec), rates in self._rates.items():
                number = place(camera)
                if number is not None and rates.windows:
                    found.append(rates.sample(number, codec, self._qualities[codec]))
        return tuple(sorted(found, key=lambda sample: (sample.camera, sample.codec)))

    def wants(self, camera: str, at_us: int) -> bool:
        """Tell whether a picture of this time is to be given; begins windows, and ends them."""
        with self._lock:
            window = self._window
            if window is None or window.camera != camera or window.complete or window.failed:
                return False
            if window.first_us is None:
                window.first_us = at_us
            window.complete = not 0 <= at_us - window.first_us < WINDOW_S * 1e6
            window.last_us = at_us
            return not window.complete

    def introduce(self, camera: str, info: SourceInfo) -> None:
        """Take note of a camera that is there."""
        self._infos[camera] = info

    def give(self, camera: str, bgr: NDArray[np.uint8], at_us: int, began_s: float) -> None:
        """Take a picture (H, W[, 3]) that was wanted; getting at it began at `began_s` of thread time."""
        picture = i420(bgr)
        with self._lock:
            window = self._window
            if window is None or window.camera != camera or window.failed:
                return
            if self._queued + picture.nbytes > QUEUE_BYTES:
                window.failed = "too slow"
                return
            self._queued += picture.nbytes
            self._queue.put((picture, at_us))
            window.pictures += 1
            window.given_s += time.thread_time() - began_s

    def run(self, finish: Event) -> None:
        """Sample until `finish` is set."""
        while not finish.wait(_POLL_S):
            window = self._next(time.monotonic())
            if window is not None:
                self._encode(window, finish)

    def _next(self, now_s: float) -> _Window | None:
        """Begin the window whose turn it is, if there is time for it."""
        camera, codec = self._turns[0]
        info = self._infos.get(camera)
        if info is None:  # it is not there yet
            self._turns.rotate(-1)
            return None
        megapixels = info.width * info.height * info.fps * WINDOW_S / 1e6
        if not self._pace.may_begin(camera, codec, megapixels, now_s):
            return None
        self._turns.rotate(-1)
        with self._lock:
            self._window = _Window(camera, codec, now_s)
            return self._window

    def _encode(self, window: _Window, finish: Event) -> None:
        encoder: Encoder | None = None
        try:
            while not finish.is_set() and not window.failed:
                try:
                    picture, at_us = self._queue.get(timeout=_POLL_S)
                except queue.Empty:
                    if window.complete:
                        self._count(window, encoder)
                        return
                    if time.monotonic() - window.begun_s > _STALE_S:
                        window.failed = "no pictures"
                    continue
                with self._lock:
                    self._queued -= picture.nbytes
                encoder = encoder or self._encoder(window, picture)
                encoder.add(picture, at_us)
                if self._pace.is_over(time.monotonic(), encoder.cost_s() + window.given_s):
                    window.failed = "no time"
        except VideoError as error:
            window.failed = str(error)
        finally:
            self._close(window, encoder)

    def _encoder(self, window: _Window, picture: Picture) -> Encoder:
        height, width = picture.shape[0] * 2 // 3, picture.shape[1]
        fps = self._infos[window.camera].fps
        return Encoder(window.codec, self._qualities[window.codec], width, height, fps)

    def _count(self, window: _Window, encoder: Encoder | None) -> None:
        if encoder is None or window.first_us is None or window.pictures < 2:
            window.failed = "no pictures"
            return
        size = encoder.finish()
        with self._lock:
            self._rates[window.camera, window.codec].add(size, window.last_us - window.first_us)

    def _close(self, window: _Window, encoder: Encoder | None) -> None:
        with self._lock:
            self._window = None
            cost_s = window.given_s + (0.0 if encoder is None else encoder.cost_s())
            self._pace.spent(window.camera, window.codec, cost_s, whole=not window.failed)
        if encoder is not None:
            encoder.close()
        if window.failed:
            self.given_up[window.failed] += 1
            log.info(
                "sample is given up", camera=window.camera, codec=window.codec.name, reason=window.failed
            )
        with self._lock:  # nothing is given any more
            while not self._queue.empty():
                self._queue.get_nowait()
            self._queued = 0


class Tap:
    """Of one camera, in its capture thread."""

    def __init__(self, meter: Meter, camera: str) -> None:
        self._meter = meter
        self._camera = camera

    def introduce(self, info: SourceInfo) -> None:
        """Say what the source is, once it is open; nothing is wanted before."""
        self._meter.introduce(self._camera, info)

    def wants(self, at_us: int) -> bool:
        """Tell whether `give` is to be called with the picture of this time."""
        return self._meter.wants(self._camera, at_us)

    def give(self, bgr: NDArray[np.uint8], at_us: int, began_s: float) -> None:
        """Show a picture (H, W[, 3]); getting at it began at `began_s` of this thread's time."""
        self._meter.give(self._camera, bgr, at_us, began_s)
