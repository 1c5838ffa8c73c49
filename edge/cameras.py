"""The cameras of a run: files are opened at once, live ones when they are there.

A file that is broken is the user's mistake, and ends the run; a camera that is not there is tried again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Event

import structlog

from edge.backoff import Backoff
from edge.camera import Camera, CameraError, is_live
from edge.config import CameraSource
from edge.meter import Meter
from edge.privacy.guard import Guard
from edge.summary import CameraReport

_RETRY_LIMIT_S = 15.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Openers:
    """What stands between a camera and who looks at it: redaction, and the meter of what video would cost.

    `short_side_px`: no finer do the encoders see. `now_us`: since the start of this boot.
    """

    guard: Guard
    meter: Meter | None
    short_side_px: int
    now_us: Callable[[], int]

    def open(self, source: CameraSource, stop: Event) -> Camera:
        """Open it. Raises CameraError."""
        tap = None if self.meter is None else self.meter.tap(source.name)
        camera = self.guard.open(
            source.name,
            source.source,
            short_side_px=self.short_side_px,
            stop=stop,
            now_us=self.now_us,
            tap=tap,
        )
        if tap is not None:
            tap.introduce(camera.info)
        return camera


class Cameras:
    """Each is opened by a thread of its own, and looked at by others. Raises CameraError for a bad file."""

    def __init__(self, sources: Sequence[CameraSource], openers: Openers, halt: Event) -> None:
        self._openers = openers
        self._halt = halt
        self._attempts = {each.name: 0 for each in sources if is_live(each.source)}
        self._opened: dict[str, Camera] = {}
        self.files = {each.name: openers.open(each, halt) for each in sources if not is_live(each.source)}

    def open(self, source: CameraSource) -> Camera | None:
        """Give a camera, once it is there; None if all is to end before."""
        camera = self.files.get(source.name) or self._open_when_there(source)
        if camera is not None:
            self._opened[source.name] = camera
        return camera

    def moves(self) -> Mapping[str, object]:
        """Give of each live camera what changes as long as it, or trying to open it, gets on."""
        return {name: self._moves(name) for name in self._attempts}

    def reports(self) -> tuple[CameraReport, ...]:
        """Say of each camera that was opened what came of it."""
        return tuple(
            CameraReport(
                name, each.info.width, each.info.height, each.info.fps, each.frames_read, each.end_us
            )
            for name, each in sorted(self._opened.items())
        )

    def _moves(self, name: str) -> object:
        camera, tried = self._opened.get(name), self._attempts[name]
        return tried if camera is None else (tried, camera.frames_read, camera.attempts)

    def _open_when_there(self, source: CameraSource) -> Camera | None:
        backoff = Backoff(limit_s=_RETRY_LIMIT_S)
        while not self._halt.is_set():
            self._attempts[source.name] += 1
            try:
                return self._openers.open(source, self._halt)
            except CameraError as error:
                delay_s = backoff.next_delay_s()
                log.warning("no camera", reason=str(error), retry_s=round(delay_s, 1))
            self._halt.wait(delay_s)
        return None
