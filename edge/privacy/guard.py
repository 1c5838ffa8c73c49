"""What the sender allows at present, for all cameras of a device; the only way to open a camera.

It may be changed while cameras run. Who asks from afar may only tighten, unless the sender's own file says
`remote = true`.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Event, Lock

import numpy as np
from numpy.typing import NDArray

from edge.camera import Camera, open_camera
from edge.capture import Tap
from edge.privacy.camera import RedactedCamera, Rules
from edge.privacy.detectors import LOOK_PX, Detectors
from edge.privacy.schedule import Schedule
from edge.runtime import Runtime
from wire.bundle import Bundle
from wire.policy import PolicyError, Sender
from wire.policy.zones import Zone

_OUTAGES = 16  # of a camera that are remembered, the last ones


@dataclass(frozen=True, slots=True)
class Held:
    """What belongs together, exchanged as one."""

    sender: Sender
    detectors: Detectors
    schedule: Schedule


class _Shielded:
    """A tap that wants no picture while something of it is hidden."""

    def __init__(self, tap: Tap, hides_nothing: Callable[[], bool]) -> None:
        self._tap = tap
        self._hides_nothing = hides_nothing

    def wants(self, at_us: int) -> bool:
        return self._hides_nothing() and self._tap.wants(at_us)

    def give(self, bgr: NDArray[np.uint8], at_us: int, began_s: float) -> None:
        self._tap.give(bgr, at_us, began_s)


class Guard:
    """May be used by several threads. Raises DetectorError and PolicyError for what cannot be enforced."""

    def __init__(
        self,
        sender: Sender,
        bundle: Bundle,
        zones: Mapping[str, tuple[Zone, ...]] | None = None,
        runtime: Runtime | None = None,
        unix_s: Callable[[], float] = time.time,
    ) -> None:
        """`zones` are those of single cameras, by their names."""
        self._file = sender
        self._bundle = bundle
        self._zones = dict(zones or {})
        self._runtime = runtime or Runtime()
        self._unix_s = unix_s
        self._lock = Lock()
        self._trouble = dict[str, str]()
        self._outages = defaultdict[str, list[int]](list)
        self._held = self._prepared(sender, Detectors({}))

    @property
    def sender(self) -> Sender:
        """What holds now."""
        return self._held.sender

    @property
    def file(self) -> Sender:
        """What the device's own file says."""
        return self._file

    @property
    def trouble(self) -> dict[str, str]:
        """Why frames are withheld now, by camera."""
        with self._lock:
            return dict(self._trouble)

    def outages(self, camera: str) -> list[int]:
        """Give, once, when a camera began to be withheld: milliseconds of its clock."""
        with self._lock:
            return self._outages.pop(camera, [])

    def open(
        self,
        name: str,
        source: str,
        *,
        short_side_px: int,
        stop: Event | None = None,
        now_us: Callable[[], int] | None = None,
        tap: Tap | None = None,
    ) -> Camera:
        """Open a source whose frames are redacted, or raise CameraError.

        `tap` is shown pictures as they are, so only while nothing of them is forbidden.
        """

        def look_px() -> int:
            return max(short_side_px, LOOK_PX) if self._held.detectors else short_side_px

        shielded = None if tap is None else _Shielded(tap, lambda: self._hides_nothing(name))
        camera = open_camera(source, short_side_px=look_px, stop=stop, now_us=now_us, tap=shielded)
        return RedactedCamera(name, camera, self, short_side_px)

    def adopt(self, sender: Sender, *, remote: bool = False) -> None:
        """Go by this from the next frame on; what cannot be enforced is refused, and nothing changes.

        `remote`: somebody other than the device's own file asks; raises PolicyError if that loosens it.
        """
        self.hold(self.prepared(sender, remote=remote))

    def prepared(self, sender: Sender, *, remote: bool = False) -> Held:
        """Load what it takes to go by this, which begins with `hold`; as `adopt` for what is refused."""
        if remote:
            self.check(sender)
        return self._prepared(sender, self._held.detectors)

    def hold(self, held: Held) -> None:
        """Go by what was prepared from the next frame on; nothing is refused any more."""
        self._held = held

    def check(self, sender: Sender) -> None:
        """Raise PolicyError for what may not be asked from afar."""
        if not self._file.remote:
            check_tightens(self._file, sender)

    def rules(self, camera: str) -> Rules:
        """Give what holds for a camera now."""
        held = self._held
        is_open = not held.sender.off and held.schedule.is_open(self._unix_s())
        return Rules((*held.sender.zones, *self._zones.get(camera, ())), held.detectors, is_open)

    def report(self, camera: str, trouble: str | None, at_ms: int) -> None:
        """Hear whether frames of a camera are withheld."""
        with self._lock:
            if trouble is None:
                self._trouble.pop(camera, None)
            else:
                self._trouble[camera] = trouble
                self._outages[camera] = [*self._outages[camera], at_ms][-_OUTAGES:]

    def _hides_nothing(self, camera: str) -> bool:
        rules = self.rules(camera)
        return rules.is_open and not rules.detectors and not rules.zones

    def _prepared(self, sender: Sender, detectors: Detectors) -> Held:
        loaded = detectors.load(sender, self._bundle, self._runtime)
        return Held(sender, loaded, Schedule(sender.hours, sender.timezone))


def check_tightens(file: Sender, asked: Sender) -> None:
    """Raise PolicyError, with what to do, if `asked` allows anything that the device's file forbids."""
    for name in _loosened(file, asked):
        raise PolicyError(
            f"sender.{name} may not be loosened from afar, only tightened: the device's own file says "
            f"{_shown(getattr(file, name))}; change it there, or set sender.remote = true there"
        )


def _loosened(file: Sender, asked: Sender) -> list[str]:
    claims = {
        **{
            name: getattr(file, name) == "redact" and getattr(asked, name) == "keep"
            for name in ("faces", "text", "people", "plates")
        },
        **{name: getattr(file, name) and not getattr(asked, name) for name in ("off", "on_motion")},
        "words": not set(file.words) <= set(asked.words),
        "zones": asked.zones != file.zones,
        "layers": not set(asked.layers) <= set(file.layers),
        "planes": _above(asked.planes, file.planes),
        "picture_px": _above(asked.picture_px, file.picture_px),
        "noise": asked.noise < file.noise,
        "hours": (asked.hours, asked.timezone) != (file.hours, file.timezone),
        "remote": asked.remote and not file.remote,
        "receiver": file.receiver.with_strictest(asked.receiver) != asked.receiver,
    }
    return [name for name, loosens in claims.items() if loosens]


def _above(asked: int | None, limit: int | None) -> bool:
    return limit is not None and (asked is None or asked > limit)


def _shown(value: object) -> str:
    return repr(value) if isinstance(value, (str, int, float, tuple)) else str(value)
