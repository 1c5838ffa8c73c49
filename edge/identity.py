"""What this boot tells the world about itself."""

from importlib.metadata import PackageNotFoundError, version
from threading import Lock

from edge.clock import BootClock
from edge.frame import SourceInfo
from wire.bundle import Bundle
from wire.documents import Birth, CameraInfo

_DISTRIBUTION = "mirage-video"


class Identity:
    """Makes births. Cameras are named in the birth once they have shown a picture."""

    def __init__(self, device: str, boot_id: bytes, clock: BootClock, bundle: Bundle) -> None:
        self._device = device
        self._boot_id = boot_id
        self._clock = clock
        self._bundle = bundle
        self._cameras: dict[str, CameraInfo] = {}
        self._lock = Lock()

    def introduce(self, name: str, info: SourceInfo) -> Birth:
        """Add a camera; returns the birth that names it."""
        with self._lock:
            self._cameras[name] = CameraInfo(name, info.width, info.height, round(info.fps, 3))
        return self.birth()

    def restate(self, clock: BootClock) -> Birth:
        """Take another clock of this boot; returns the birth with its wall time."""
        with self._lock:
            self._clock = clock
        return self.birth()

    def birth(self) -> Birth:
        """Tell who this is, with the cameras known so far."""
        with self._lock:
            cameras = tuple(self._cameras[name] for name in sorted(self._cameras))
            clock = self._clock
        return Birth(
            device=self._device,
            boot_id=self._boot_id.hex(),
            boot_wall_ms=clock.boot_wall_ms,
            wall_error_ms=clock.wall_error_ms,
            software=software(),
            bundle=self._bundle.manifest.name,
            bundle_sha256=self._bundle.short_sha256,
            cameras=cameras,
        )


def software() -> str:
    """Name and version of this program."""
    try:
        return f"mirage {version(_DISTRIBUTION)}"
    except PackageNotFoundError:
        return "mirage"  # run from its folder, not installed
