"""What this boot tells the world about itself."""

from importlib.metadata import PackageNotFoundError, version
from threading import Lock

from edge.clock import BootClock
from edge.frame import SourceInfo
from edge.update.running import own_release
from wire.bundle import Bundle
from wire.documents import Birth, CameraInfo, LinkInfo

_DISTRIBUTION = "mirage-video"


class Identity:
    """Makes births. Cameras are named in the birth once they have shown a picture.

    A camera keeps its place in the list, by which telemetry calls it: others are added behind it.
    """

    def __init__(
        self, device: str, boot_id: bytes, clock: BootClock, bundle: Bundle, links: tuple[LinkInfo, ...] = ()
    ) -> None:
        self._links = links
        self._device = device
        self._boot_id = boot_id
        self._clock = clock
        self._bundle = bundle
        self._cameras: dict[str, CameraInfo] = {}
        self._lock = Lock()

    def place(self, name: str) -> int | None:
        """Give a camera's place in the birth, None where it is not named there."""
        with self._lock:
            names = list(self._cameras)
        return names.index(name) if name in names else None

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
            cameras = tuple(self._cameras.values())
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
            links=self._links,
        )


def software() -> str:
    """Name and version of this program, and what its release begins with where it is one."""
    release = own_release()
    behind = "" if release is None else f" {release[:8]}"
    try:
        return f"mirage {version(_DISTRIBUTION)}{behind}"
    except PackageNotFoundError:
        return f"mirage{behind}"  # run from its folder, not installed
